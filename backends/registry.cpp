// SPDX-License-Identifier: Apache-2.0
#include "backends/registry.hpp"

#include <algorithm>

namespace lockgate {

const BackendEntry* find_backend(std::string_view kind) {
  const auto table = backend_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const BackendEntry& entry) { return entry.kind == kind; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace lockgate
