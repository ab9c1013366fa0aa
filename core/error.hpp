// SPDX-License-Identifier: Apache-2.0
// What goes wrong for a reason the user can act on. Things that a correct run sees every day
// (a busy lock, a command that fails) are values, not errors.
#pragma once

#include <stdexcept>
#include <string>

#include "core/exit_code.hpp"

namespace lockgate {

/// Ends lockgate with `code()` after one line that names the thing, the place and the cause, and,
/// where there is one, a second line with the next step. Thrown anywhere; caught in `main`, at thread
/// entries and where a caller can do better. Never carries a secret.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& what, std::string next_step = {})
      : std::runtime_error(what), code_(code), next_step_(std::move(next_step)) {}

  [[nodiscard]] ExitCode code() const { return code_; }
  /// What the user can do about it; empty where the cause says it all.
  [[nodiscard]] const std::string& next_step() const { return next_step_; }

 private:
  ExitCode code_;
  std::string next_step_;
};

/// The system's words for an errno value, e.g. "Permission denied". Thread-safe.
std::string errno_text(int error_number);

/// The documented status for a failed open, mkdir, read or write of a file that lockgate needs:
/// 77 for permissions, 74 for a full disk or a broken one, 73 for everything else.
ExitCode exit_code_for_file_errno(int error_number);

}  // namespace lockgate
