// SPDX-License-Identifier: Apache-2.0
#include "backends/registry.hpp"

#include <algorithm>
#include <array>

namespace lockgate {
namespace {

constexpr std::array kBackends = {
    BackendEntry{"file", "locks in files of this host", make_file_backend},
};

}  // namespace

const BackendEntry* find_backend(std::string_view kind) {
  const auto* const found =
      std::find_if(kBackends.begin(), kBackends.end(), [&](const BackendEntry& entry) { return entry.kind == kind; });
  return found == kBackends.end() ? nullptr : found;
}

}  // namespace lockgate
