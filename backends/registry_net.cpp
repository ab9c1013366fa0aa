// SPDX-License-Identifier: Apache-2.0
// Every kind, for `lockgate-net`.
#include <array>

#include "backends/file/file_backend.hpp"
#include "backends/http/http_backend.hpp"
#include "backends/registry.hpp"

namespace lockgate {

std::span<const BackendEntry> backend_table() {
  static constexpr std::array kBackends = {
      BackendEntry{"file", "locks in files of this host", make_file_backend},
      BackendEntry{"http", "locks on a lock server", make_http_backend},
  };
  return kBackends;
}

}  // namespace lockgate
