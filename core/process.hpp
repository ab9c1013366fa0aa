// SPDX-License-Identifier: Apache-2.0
// One process of this machine that is named for good, not by a number that may be used again.
#pragma once

#include <sys/types.h>

#include <optional>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

class Process {
 public:
  /// The process `pid`, if it runs and was already running at `then`; empty if it is gone, or is another by now.
  /// Throws Error(unavailable) where it runs and /proc does not tell since when.
  static std::optional<Process> find(pid_t pid, BootTime then);

  /// 0 or an errno value.
  [[nodiscard]] int signal(int number) const;
  /// Readable when the process has ended.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// True if it has ended by `until`. Blocks.
  [[nodiscard]] bool wait_until(BootTime until) const;

 private:
  explicit Process(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace lockgate
