// SPDX-License-Identifier: Apache-2.0
// What the tests on a terminal have in common: the parts that the command under lockgate plays, started by the shell as
// $READER, $SLEEPER and $HANDLER, and what they say at their start.
#pragma once

#include <csignal>

#include "tests/pty.hpp"

namespace process_test {

/// The number that stands between here and `end`.
pid_t number_before(Shell& shell, std::string_view end);

/// The lockgate that `parent`, the parent of a command, is or belongs to as its guardian.
pid_t lockgate_above(pid_t parent);

/// What a part says at its start: its pid, and by that of its parent the lockgate above it.
struct Started {
  pid_t command;
  pid_t lockgate;
};

Started wait_for_start(Shell& shell);

bool is_stopped(pid_t pid);
bool is_gone(pid_t pid);

/// Waits until the lock `n` is held by a job in the background of `shell`.
Started hold_in_background(Shell& shell);

}  // namespace process_test
