// SPDX-License-Identifier: Apache-2.0
// The kinds that need no network, for `lockgate`.
#include <array>

#include "backends/file/file_backend.hpp"
#include "backends/registry.hpp"

namespace lockgate {

std::span<const BackendEntry> backend_table() {
  static constexpr std::array kBackends = {
      BackendEntry{"file", "locks in files of this host", make_file_backend},
  };
  return kBackends;
}

}  // namespace lockgate
