// SPDX-License-Identifier: Apache-2.0
// Watching over the command: signals to it, job control with it, its end, and ending it when that is due.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/child.hpp"
#include "core/process_table.hpp"

namespace lockgate {

enum class WaitFor { command, tree };

struct SuperviseOptions {
  Duration kill_after = std::chrono::seconds(4);
  std::optional<Duration> max_hold;  // from the start of the command
  WaitFor wait_for = WaitFor::command;
  /// Called every few seconds while the command runs.
  std::function<void()> look_after_hold;
};

/// How it went.
struct Outcome {
  enum class Cause { ended, max_hold, interrupted_twice };
  int wait_status = 0;  // of the command, as waitpid() gives it
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
/// process group, stops and continues with it, ends its whole tree at the second INT or when `max_hold` is over.
/// Blocks. `signals` were taken before. To be called once in a process, on its main thread, with no other children.
class Supervisor {
 public:
  Supervisor(const Signals& signals, SuperviseOptions options);

  /// Starts the command. The error of exec, 0 if it runs.
  int start(const Command& command);
  /// To be called after start() returned 0.
  Outcome run();

 private:
  class Impl;
  const Signals& signals_;
  SuperviseOptions options_;
  Terminal terminal_;
  UniqueFd signal_fd_;  // open before the command starts: one that cannot be watched over is not started
  pid_t child_ = 0;
};

}  // namespace lockgate
