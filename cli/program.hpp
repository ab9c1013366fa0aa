// SPDX-License-Identifier: Apache-2.0
// Where the two executables differ. `lockgate` starts fast and knows files; whatever needs a network it hands over to
// `lockgate-net`, which has the same main and knows all. Each is linked with its own of program_local.cpp and
// program_net.cpp.
#pragma once

#include <string>

#include "cli/command_line.hpp"
#include "core/signals.hpp"

namespace lockgate {

/// How this process was started.
struct Start {
  char** argv;
  const Signals& signals;
};

/// Before anything else: throws Error(unavailable) in a lockgate-net that the lockgate of another version started.
void check_caller();

/// Goes on as the program that has this kind of backend, with the same words; throws Error(unavailable,
/// not_allowed) where that cannot be started, and Error(config) where there is none.
[[noreturn]] void hand_over(const Start& start, const std::string& kind);

/// `lockgate serve`, here or by handing over. Returns the exit status, or throws Error.
int run_serve(const CommandLine& line, const Start& start);

}  // namespace lockgate
