// SPDX-License-Identifier: Apache-2.0
// From a kind of backend to its maker. There are two tables, and an executable links one of them: `lockgate` knows the
// kinds that need no network and starts fast, `lockgate-net` knows all.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "backends/place.hpp"
#include "core/backend.hpp"

namespace lockgate {

struct BackendEntry {
  std::string_view kind;
  std::string_view help;  // one line
  std::unique_ptr<Backend> (*make)(const BackendPlace& place);
};

/// The table of this executable: registry_local.cpp or registry_net.cpp.
std::span<const BackendEntry> backend_table();

/// The backend of this kind, or null where this executable has none.
const BackendEntry* find_backend(std::string_view kind);

}  // namespace lockgate
