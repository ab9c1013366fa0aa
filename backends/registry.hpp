// SPDX-License-Identifier: Apache-2.0
// From a kind of backend to its maker: one table.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/file/file_backend.hpp"
#include "core/backend.hpp"

namespace lockgate {

/// Where the locks are, for whichever kind was chosen.
using BackendPlace = FilePlace;

struct BackendEntry {
  std::string_view kind;
  std::string_view help;  // one line
  std::unique_ptr<Backend> (*make)(BackendPlace place);
};

/// The backend of this kind, or null where this build has none.
const BackendEntry* find_backend(std::string_view kind);

}  // namespace lockgate
