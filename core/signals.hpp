// SPDX-License-Identifier: Apache-2.0
// Signals as events: all are blocked from the start and read from a descriptor, so that none comes between two lines.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "core/unique_fd.hpp"

namespace lockgate {

/// How signals stood when lockgate was started. The command gets them like that again, and what was ignored then
/// (nohup, a shell's background jobs) stays ignored.
///
/// Made once, on the main thread, before any other thread: they inherit the full mask.
class Signals {
 public:
  /// Blocks everything but what a crash raises. SIGCHLD is set to its default: ignored, it would take exit statuses.
  Signals();

  /// Readable when one of `numbers` is pending, but for those that are ignored: what was to have no effect on lockgate
  /// has none. Throws Error(internal).
  [[nodiscard]] static UniqueFd open(std::initializer_list<int> numbers);
  /// The next pending signal of such a descriptor; empty where there is none. Does not block.
  [[nodiscard]] static std::optional<int> next(const UniqueFd& fd);

  /// For the child between fork and exec, async-signal-safe: as it was before lockgate.
  void restore() const;

 private:
  sigset_t original_mask_{};
  bool child_was_ignored_ = false;
};

/// True if this process was started with `number` ignored.
bool is_ignored(int number);

/// Lets `number` do to this process group, including this process, what it does by default (stop, say), and returns
/// when this process goes on. False if the process was not stopped by it (orphaned process group, ignored).
bool stop_own_group(int number);
/// The same for this process alone, where the others of its group have heard for themselves.
bool stop_self(int number);

/// From now on Ctrl-Z stops this thread's process as it would any other: for commands that hold nothing meanwhile.
void let_keyboard_stop();

/// Continues the other processes of this process group; this one is not to hear of it.
void continue_own_group();

/// Ends this process by `number`, as if nobody had caught it, but without a core file: it was not lockgate that failed.
[[noreturn]] void die_of(int number);

}  // namespace lockgate
