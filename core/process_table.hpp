// SPDX-License-Identifier: Apache-2.0
// Who is whose child, read from /proc without starting anything. All of it is a picture of a moment that may be
// over when the caller looks at it: whoever signals by it checks `start_ticks` again (core/tree_end.hpp does).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace lockgate {

/// One process as /proc/PID/stat shows it. `pid` and `start_ticks` together name it for good, `pid` alone may be
/// reused.
struct ProcessInfo {
  pid_t pid = 0;
  pid_t ppid = 0;
  pid_t pgid = 0;
  char state = '?';               // R, S, D, T (stopped), t (traced), Z (zombie), ...
  long threads = 1;               // with a zombie: more than 1 while only its main thread has ended
  std::uint64_t start_ticks = 0;  // since boot, in units of sysconf(_SC_CLK_TCK)
  std::string command;            // the kernel's short name, at most 15 bytes, any bytes: show it quoted

  /// False for a zombie: it runs no more, and waits only for its parent.
  [[nodiscard]] bool alive() const { return (state != 'Z' && state != 'X' && state != 'x') || threads > 1; }
  /// The same process, not only the same number.
  [[nodiscard]] bool same_as(const ProcessInfo& other) const {
    return pid == other.pid && start_ticks == other.start_ticks;
  }
};

// The functions below never block and never throw but for want of memory, and may be called from any thread.
// Without /proc, or for a process that it hides (hidepid), they answer as if there were no such process.

/// The contents of a /proc/PID/stat; empty if they are no such thing. The name in it may hold any character.
std::optional<ProcessInfo> parse_process_stat(std::string_view text);

/// Zombies included; empty where there is no such process.
std::optional<ProcessInfo> read_process(pid_t pid);

/// Every process that can be seen, zombies included, in one pass over /proc in the order of the numbers.
std::vector<ProcessInfo> read_all_processes();

/// The live children of `root`, their children and so on, parents before their children, without `root` itself.
/// What was started during the pass may be missing.
std::vector<ProcessInfo> descendants_of(pid_t root);

/// The same, from a pass that was already made. A process whose parent ended during the pass is looked up again.
std::vector<ProcessInfo> descendants_in(const std::vector<ProcessInfo>& all, pid_t root);

/// The children of the calling process, zombies included: straight from the kernel, in microseconds, so that one that
/// forks and exits all the time is caught, too. Also what hidepid hides. Empty where the kernel has no such list.
std::vector<pid_t> listed_children();

/// True if `candidate` is the parent of `of`, or its parent, and so on. Nobody is an ancestor of itself.
bool is_ancestor(pid_t candidate, pid_t of);

/// When the process was started, exact to a tick (10 ms).
std::optional<BootTime> start_time(pid_t pid);

}  // namespace lockgate
