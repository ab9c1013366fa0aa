// SPDX-License-Identifier: Apache-2.0
// Watching over the command: signals to it, job control with it, its end, and ending it when that is due.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/child.hpp"
#include "core/command_tree.hpp"
#include "core/lost_event.hpp"
#include "core/process_table.hpp"

namespace lockgate {

enum class WaitFor { command, tree };

/// What becomes of the command when its lock is lost.
enum class OnLost { terminate, let_run };

struct SuperviseOptions {
  Duration kill_after = std::chrono::seconds(4);
  std::optional<Duration> max_hold;  // from the start of the command
  WaitFor wait_for = WaitFor::command;
  /// Called every few seconds while the command runs.
  std::function<void()> look_after_hold = {};
  const LostEvent* lost = nullptr;  // of a lock with a lease; outlives the supervisor
  OnLost on_lost = OnLost::terminate;
  /// Called once where the lock is lost and the command runs on.
  std::function<void(const std::string& why)> say_lost = [](const std::string&) {};
  /// Called before lockgate stops together with the command.
  std::function<void()> before_stop = [] {};
};

/// How it went.
struct Outcome {
  enum class Cause {
    ended,
    max_hold,
    interrupted_twice,
    lost,           // said by SuperviseOptions::lost, or the lease was not renewed in time
    guardian_died,  // somebody killed it; without it nothing runs
  };
  int wait_status = 0;  // of the command, as waitpid() gives it; killed, where nobody is left who could tell
  Cause cause = Cause::ended;
  bool had_terminal = false;             // the keys of the terminal went to the command when it ended
  std::vector<ProcessInfo> unreachable;  // still alive: they could be neither ended nor waited for
  /// After lockgate ended the tree. Something may be left without being in `unreachable`: /proc does not show it.
  enum class Left { nothing, something };
  Left left = Left::nothing;

  /// The status to exit with: the command's own, 128 + N for signal N.
  [[nodiscard]] int exit_status() const;
};

/// Runs `command` to its end and everything that comes between: forwards INT, TERM, HUP, QUIT, USR1 and USR2 to its
/// process group, stops and continues with it, ends its whole tree at the second INT, when `max_hold` is over, or when
/// the lock is lost.
/// Blocks. `signals` were taken before. To be called once in a process, on its main thread, with no other children.
class Supervisor {
 public:
  Supervisor(const Signals& signals, SuperviseOptions options);

  /// Starts the command. The error of exec, 0 if it runs.
  int start(const Command& command);
  /// Starts it under a guardian, in place of start(), with `deadline` as the moment of KILL. Returns at once, so that
  /// the lease can be renewed from now on: Guardian::move_deadline() of what it returns, which lives as long as this.
  Guardian& start_guarded(const Command& command, BootTime deadline);
  /// To be called after start_guarded(). The error of exec; ETIME: the deadline was too near; 0: it runs.
  /// Throws Error(internal) where the guardian died.
  int wait_for_start();
  /// To be called after start() or wait_for_start() returned 0. Afterwards nothing is watched over any more: what the
  /// command left behind lives on.
  Outcome run();

 private:
  class Impl;
  const Signals& signals_;
  SuperviseOptions options_;
  Terminal terminal_;
  UniqueFd signal_fd_;  // open before the command starts: one that cannot be watched over is not started
  pid_t child_ = 0;
  bool command_got_terminal_ = false;
  std::unique_ptr<GuardedTree> guarded_;
};

}  // namespace lockgate
