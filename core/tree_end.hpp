// SPDX-License-Identifier: Apache-2.0
// Ending a whole tree of processes: TERM, CONT, time to tidy up, KILL, until none is left. Also what forked twice,
// went into a session or process group of its own, ignores TERM, is stopped, or forks as fast as it can.
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <vector>

#include "core/clock.hpp"
#include "core/process_table.hpp"

namespace lockgate {

/// The processes to be ended; a seam for tests.
class ProcessTree {
 public:
  virtual ~ProcessTree() = default;
  /// The members that are alive now, parents before their children. Empty only if there is none.
  virtual std::vector<ProcessInfo> survivors() = 0;
  /// Sends `signal` to this very process, never to another that got its number. 0 or an errno value; ESRCH: it is gone.
  virtual int signal(const ProcessInfo& process, int signal) = 0;
  /// Sends `signal` to a process group at one stroke, so that nothing that forks in it gets away. 0 or an errno value;
  /// EPERM also where the group has, or had in the last survivors(), members that are not of the tree.
  virtual int signal_group(pid_t group, int signal) = 0;
};

/// Makes the calling process the one that inherits the orphans among its descendants (PR_SET_CHILD_SUBREAPER), for as
/// long as it runs. Not passed on to its children. Throws Error(internal) if the kernel refuses.
void become_subreaper();
/// True if this process, a subreaper, has no children any more: nothing of any tree is left. Reaps those that ended.
bool nothing_is_left();

/// The descendants of the calling process, which must have become a subreaper before it started the first of them.
/// One thread at a time. What cannot be found: work handed to a process outside (a container daemon, `at`, systemd).
class DescendantTree : public ProcessTree {
 public:
  /// `main_child` (or 0) is a child whose status the owner collects with waitpid(). survivors() reaps every other
  /// child that has ended, so that adopted orphans leave no zombies. The owner has no other children of its own whose
  /// status it wants: as descendants they would be ended, too.
  explicit DescendantTree(pid_t main_child) : main_child_(main_child) {}

  /// One pass over /proc, 10 to 30 us for each process on the machine. Without /proc: `main_child` alone.
  std::vector<ProcessInfo> survivors() override;
  int signal(const ProcessInfo& process, int signal) override;
  int signal_group(pid_t group, int signal) override;

 private:
  void reap(const std::vector<ProcessInfo>& all) const;
  [[nodiscard]] std::vector<ProcessInfo> live_children() const;

  pid_t main_child_;
  std::set<pid_t> shared_groups_;  // as of the last survivors(): groups with a live member that is not of the tree
};

/// Ends a tree. Without a clock, a thread or a sleep of its own: the owner calls step() when it says so, and may call
/// it earlier (at a SIGCHLD, say). One thread at a time.
///
/// TERM and CONT go once to everyone who is there at the first step; what they start to tidy up is left alone until
/// KILL is due. KILL goes to whole groups first, then to everyone one by one; if that was not the end of it (a fork
/// bomb that changes its group), everyone is stopped before the next round, again and again.
class TreeEnd {
 public:
  /// KILL comes at now + `kill_after`, or at `kill_at` if that is earlier; if it is already due there is no TERM.
  /// `tree` outlives this.
  TreeEnd(ProcessTree& tree, BootTime now, Duration kill_after, std::optional<BootTime> kill_at);

  /// Does what is due, without waiting for anything. When to be called again; empty when it is finished.
  std::optional<BootTime> step(BootTime now);

  /// Moves KILL forward (never back): a deadline that came nearer, a user who asked twice.
  void kill_no_later_than(BootTime when);

  /// True once no process is left, or only such as may not be signalled.
  [[nodiscard]] bool finished() const { return phase_ == Phase::finished; }
  /// True once KILL has been sent to anything.
  [[nodiscard]] bool killing() const { return killing_passes_ > 0; }
  /// Those alive at the end because the kernel forbids to signal them (setuid programs). Complete once finished.
  /// One that is stuck in the kernel (state D) does not count: it has its KILL, and step() goes on until it is gone.
  [[nodiscard]] const std::vector<ProcessInfo>& unreachable() const { return unreachable_; }

 private:
  enum class Phase { fresh, terminating, finished };

  std::optional<BootTime> terminate(BootTime now);
  std::optional<BootTime> kill(BootTime now);
  void kill_everyone(std::vector<ProcessInfo> survivors);
  [[nodiscard]] bool refused(const ProcessInfo& process) const;

  ProcessTree& tree_;
  BootTime kill_at_;
  Duration pause_{};
  int killing_passes_ = 0;
  Phase phase_ = Phase::fresh;
  std::vector<ProcessInfo> unreachable_;
};

}  // namespace lockgate
