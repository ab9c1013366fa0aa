// SPDX-License-Identifier: Apache-2.0
// For `lockgate-net`: it has every backend and the server, and nobody to hand over to.
#include <fmt/format.h>

#include <cstdlib>

#include "cli/program.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {

void check_caller() {
  const char* const caller = std::getenv("LOCKGATE_NET_VERSION");
  if (caller == nullptr) {
    return;  // started by hand
  }
  const std::string version = caller;
  unsetenv("LOCKGATE_NET_VERSION");
  if (version != LOCKGATE_VERSION) {
    throw Error(ExitCode::unavailable,
                fmt::format("lockgate is version {}, and lockgate-net {}", printable(version), LOCKGATE_VERSION),
                "install both from one package");
  }
}

void hand_over(const Start& /*start*/, const std::string& kind) {
  throw Error(ExitCode::config, fmt::format("this build has no {} backend", kind));
}

}  // namespace lockgate
