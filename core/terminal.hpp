// SPDX-License-Identifier: Apache-2.0
// Who is in the foreground of the terminal, and how that was set.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <optional>

#include "core/unique_fd.hpp"

namespace lockgate {

/// The controlling terminal, if there is one. SIGTTOU must be blocked: a background process sets the foreground here.
class Terminal {
 public:
  /// Opens /dev/tty; without one everything below answers no and does nothing.
  static Terminal open();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_foreground(pid_t group) const;
  void set_foreground(pid_t group) const;
  /// Echo, line mode and so on as they were at open(): for after a program that had no time to tidy up.
  void restore_settings() const;

 private:
  UniqueFd fd_;
  std::optional<termios> settings_;
};

}  // namespace lockgate
