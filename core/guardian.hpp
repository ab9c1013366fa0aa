// SPDX-License-Identifier: Apache-2.0
// Leased locks: a small process between lockgate and the command, which sees to it that no command outlives the
// lease, even where lockgate is killed or stopped. And lockgate's side of it, which does the same for the guardian.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/child.hpp"
#include "core/clock.hpp"
#include "core/process_table.hpp"

namespace lockgate {

/// What the guardian tells lockgate, in the order in which it happened.
struct GuardianEvent {
  enum class Kind {
    /// `value`: pid of the command, also the number of its process group.
    started,
    /// `value`: errno. ETIME: the deadline was too near to begin. Nothing ran, and nothing follows but guardian_died.
    exec_failed,
    /// `value`: the signal.
    stopped,
    /// Not told of a command that ends before anyone could look.
    continued,
    /// `value`: the command's status as waitpid() gives it. What it started may still run. Where lockgate had to end
    /// the tree itself this may come after `tree_gone`, or not at all.
    ended,
    /// The deadline came near and the tree is being ended: there is no way back.
    ending,
    /// No process of the tree is left but `value` that may not be signalled; see survivors().
    tree_gone,
    /// Nothing more will be heard from it, perhaps not even `ended`; enforce() ends what is left.
    guardian_died,
  };
  Kind kind = Kind::started;
  int value = 0;
};

/// Runs a command under a deadline that must be moved on for it to live.
///
/// The processes: lockgate -> guardian -> command. The guardian has a process group of its own, so that a signal to
/// lockgate's group does not reach it, has all signals blocked, and stays in lockgate's session, for the command needs
/// the terminal. Both are subreapers, so that whoever is orphaned in the tree comes to the guardian, or to lockgate
/// once the guardian is dead. `deadline` lies in shared memory: who is stopped does not move it.
///
/// What is promised, on a kernel that runs and gives both processes the processor:
/// - lockgate dies: the guardian ends the tree at once (TERM, CONT, `kill_after`, KILL), at the latest by the deadline.
/// - lockgate stops, or has not renewed for any other reason: TERM at deadline - kill_after, KILL at the deadline.
/// - the guardian dies: the kernel kills the command itself, lockgate ends the rest of the tree at once.
/// - the guardian stops: lockgate keeps the same deadline.
/// So whichever one of them is killed or stopped, and whenever: no process of the tree is alive after the deadline,
/// but for the few milliseconds that KILL takes (the margin between deadline and lease is for them).
///
/// What is not: if lockgate and the guardian are killed together, only the command's own process dies (PDEATHSIG), and
/// not even that if it is a setuid program; what it started lives on. If one is killed while the other is stopped, or
/// both are stopped, nothing happens until one is continued. Processes that may not be signalled are named, not ended.
///
/// One thread, except for move_deadline().
class Guardian {
 public:
  /// Starts the guardian, and through it `command`, in the foreground of `terminal` as core/child.hpp says.
  /// Does not wait for it: `started` or `exec_failed` comes as an event. The calling process must be a subreaper with
  /// no other children whose lives matter (enforce() ends all its descendants), all signals blocked by `signals`.
  /// The guardian shares the memory of the fork, and keeps a page for itself for each one that the caller changes
  /// later (measured: 48 kB where little was allocated, all of an 8 MB heap that was rewritten): so start it before
  /// libraries have filled the memory. With other threads running this relies on malloc being usable after fork, as it
  /// is in glibc. Throws Error(internal) if it cannot be started.
  static Guardian start(const Command& command, const Signals& signals, const Terminal& terminal, BootTime deadline,
                        Duration kill_after);

  Guardian(Guardian&&) noexcept;
  Guardian& operator=(Guardian&&) = delete;
  /// Without dismiss(), the same to the guardian as the death of lockgate, and does not wait.
  ~Guardian();

  /// To be polled for reading: then next_event() has something, or enforce() is due. Counts on the boot clock, which
  /// a timeout of poll() does not. Valid as long as this object.
  [[nodiscard]] int fd() const;
  /// The next event, if there is one. Does not block.
  [[nodiscard]] std::optional<GuardianEvent> next_event();

  /// The lease was renewed. `deadline` is the moment of KILL, that is: send time + TTL - margin. Only forward; an
  /// earlier one is passed over. Too late once the end has begun. Thread-safe, does not block.
  void move_deadline(BootTime deadline);
  /// Ends the tree (TERM, CONT, KILL at now + `kill_after`), for a lost lock or --max-hold. May be repeated with a
  /// shorter time. The rest is enforce() and events: `tree_gone` comes when it is done.
  void request_end(BootTime now, Duration kill_after);
  /// Lockgate's own watch: does what the guardian should have done by `now` and did not. To be called at the start,
  /// whenever fd() was readable, after request_end() and `guardian_died`. Does not block beyond a pass over /proc. When
  /// it wants to be called next (fd() tells that, too); empty when there is nothing left to enforce.
  std::optional<BootTime> enforce(BootTime now);

  /// Nothing is to be guarded any more: after `ended`, where what the command left behind may live, after
  /// `exec_failed`, or `tree_gone`. Waits until the guardian is gone, which is at once.
  void dismiss();
  /// The same without waiting: it does nothing any more, and is gone when this object is. For who has more urgent
  /// things to do than to look at its end.
  void dismiss_soon();

  [[nodiscard]] pid_t pid() const;
  /// What lives of the tree now; after `tree_gone`, those that may not be signalled.
  [[nodiscard]] std::vector<ProcessInfo> survivors();

 private:
  class Impl;
  explicit Guardian(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockgate
