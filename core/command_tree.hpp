// SPDX-License-Identifier: Apache-2.0
// What the supervisor supervises: a command and all that comes of it, started by lockgate itself or by a guardian.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <vector>

#include "core/guardian.hpp"
#include "core/tree_end.hpp"

namespace lockgate {

/// One thread. The calling process is a subreaper.
class CommandTree {
 public:
  virtual ~CommandTree() = default;
  /// Readable when next_event() has something or enforce() is due; -1: at SIGCHLD, and when enforce() said.
  [[nodiscard]] virtual int fd() const = 0;
  /// What happened, in the words of the guardian; never `started` and `exec_failed`. Does not block.
  virtual std::optional<GuardianEvent> next_event() = 0;
  /// Ends the tree: TERM, CONT, KILL at now + `kill_after`. `tree_gone` tells when it is done.
  virtual void request_end(BootTime now, Duration kill_after) = 0;
  /// Does what is due. When to be called again, if that is not told by fd().
  virtual std::optional<BootTime> enforce(BootTime now) = 0;
  /// The command alone, where it has left its process group.
  virtual void signal_command(int number) = 0;
  /// What lives of the tree now.
  virtual std::vector<ProcessInfo> survivors() = 0;
  virtual int signal(const ProcessInfo& process, int number) = 0;
  /// The command has ended, or cannot be ended: nothing is watched over any more.
  virtual void let_go() = 0;
  /// The same, for a tree that has ended by itself: without waiting for anybody.
  virtual void let_go_soon() = 0;
};

/// A child of this process.
class DirectTree : public CommandTree {
 public:
  explicit DirectTree(pid_t child) : child_(child), tree_(child) {}

  [[nodiscard]] int fd() const override { return -1; }
  std::optional<GuardianEvent> next_event() override;
  void request_end(BootTime now, Duration kill_after) override;
  std::optional<BootTime> enforce(BootTime now) override;
  void signal_command(int number) override;
  std::vector<ProcessInfo> survivors() override;
  int signal(const ProcessInfo& process, int number) override { return tree_.signal(process, number); }
  void let_go() override {}
  void let_go_soon() override {}

 private:
  pid_t child_;
  DescendantTree tree_;
  std::optional<TreeEnd> end_;
  bool told_gone_ = false;
};

/// A command under a guardian.
class GuardedTree : public CommandTree {
 public:
  explicit GuardedTree(Guardian guardian) : guardian_(std::move(guardian)) {}

  Guardian& guardian() { return guardian_; }
  /// Waits until the command runs, or cannot; keeps the deadline meanwhile. The error of exec, or 0.
  /// Throws Error(internal) where the guardian died, after everything has been ended.
  int wait_for_start();
  /// Of the command, after that.
  [[nodiscard]] pid_t command() const { return command_; }

  [[nodiscard]] int fd() const override { return guardian_.fd(); }
  std::optional<GuardianEvent> next_event() override;
  void request_end(BootTime now, Duration kill_after) override { guardian_.request_end(now, kill_after); }
  std::optional<BootTime> enforce(BootTime now) override;
  void signal_command(int number) override;
  std::vector<ProcessInfo> survivors() override { return guardian_.survivors(); }
  int signal(const ProcessInfo& process, int number) override { return DescendantTree(0).signal(process, number); }
  void let_go() override { guardian_.dismiss(); }
  void let_go_soon() override { guardian_.dismiss_soon(); }

 private:
  void wait();
  [[noreturn]] void fail_to_start();

  Guardian guardian_;
  pid_t command_ = 0;
  std::deque<GuardianEvent> early_;  // came before `started`
};

}  // namespace lockgate
