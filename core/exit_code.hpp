// SPDX-License-Identifier: Apache-2.0
// The whole vocabulary of exit statuses. A command run under a lock passes its own status on;
// these are what lockgate itself ends with, and every one of them is in lockgate(1), EXIT STATUS.
#pragma once

namespace lockgate {

enum class ExitCode : int {
  done = 0,
  no = 1,               // `status -q`: free; `doctor`: found something
  usage = 64,           // the command line cannot be understood
  not_understood = 65,  // what is stored or answered cannot be understood, and was left as it is
  unavailable = 69,     // the backend cannot be reached, or cannot tell
  internal = 70,        // a bug
  cannot_create = 73,   // lock directory or lock file cannot be created
  io_error = 74,        // disk full, input/output error
  conflict = 75,        // another holds the lock (-E changes it)
  lost = 76,            // the hold is gone
  not_allowed = 77,     // permissions
  config = 78,          // the configuration is wrong
  max_hold = 124,       // --max-hold ended it
  cannot_execute = 126,
  not_found = 127,
};

constexpr int to_int(ExitCode code) {
  return static_cast<int>(code);
}

}  // namespace lockgate
