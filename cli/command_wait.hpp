// SPDX-License-Identifier: Apache-2.0
// The wait of a command for its lock: its deadline, its signals, and the line that says who is in the way.
#pragma once

#include <functional>
#include <string>

#include "core/signals.hpp"
#include "core/waiting.hpp"

namespace lockgate {

/// When the wait line is due: once after a second, then every thirty; live, every second. Without a clock of its own.
class WaitLineSchedule {
 public:
  enum class Kind { lines, live };
  WaitLineSchedule(Kind kind, BootTime begin);
  [[nodiscard]] BootTime next() const { return next_; }
  /// True if the line is to be said now; the next one is then due later.
  bool due(BootTime now);

 private:
  Kind kind_;
  BootTime next_;
};

struct CommandWaitOptions {
  std::optional<Duration> limit;  // zero: no waiting at all; empty: for as long as it takes
  WaitLineSchedule::Kind line = WaitLineSchedule::Kind::lines;
  /// Says who is in the way; empty for silence. Called on whichever thread attends. Must not throw.
  std::function<void(Duration waited)> say_line = {};
  /// Says why the place grants nothing to anybody, once; otherwise as say_line.
  std::function<void(const std::string& why)> say_why = {};
  /// What SIGTSTP is to do; returns when the wait goes on. Empty: it stops this process.
  std::function<void()> stop = {};
};

class CommandWait final : public Waiting {
 public:
  /// The limit counts from here.
  explicit CommandWait(CommandWaitOptions options);

  [[nodiscard]] bool nonblocking() const override;
  void begin(BootTime now) override;
  [[nodiscard]] int fd() const override { return signal_fd_.get(); }
  [[nodiscard]] std::optional<BootTime> next_event() const override;
  WaitVerdict attend(BootTime now) override;
  void explain(const std::string& why) override;
  void suspend() override;
  [[nodiscard]] Cancelled cancellation() const override { return cancelled_; }

 private:
  CommandWaitOptions options_;
  BootTime started_;
  std::optional<BootTime> deadline_;
  std::optional<WaitLineSchedule> line_;
  UniqueFd signal_fd_;
  Cancelled cancelled_;
  bool explained_ = false;
};

}  // namespace lockgate
