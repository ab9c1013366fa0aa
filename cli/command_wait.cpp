// SPDX-License-Identifier: Apache-2.0
#include "cli/command_wait.hpp"

#include <algorithm>
#include <utility>

namespace lockgate {
namespace {

constexpr std::chrono::seconds kFirstLine{1};
constexpr std::chrono::seconds kLineEvery{30};
constexpr std::chrono::seconds kLiveEvery{1};

}  // namespace

WaitLineSchedule::WaitLineSchedule(Kind kind, BootTime begin) : kind_(kind), next_(begin + kFirstLine) {
}

bool WaitLineSchedule::due(BootTime now) {
  if (now < next_) {
    return false;
  }
  next_ = now + (kind_ == Kind::live ? kLiveEvery : kLineEvery);
  return true;
}

CommandWait::CommandWait(CommandWaitOptions options) : options_(std::move(options)), started_(BootClock::now()) {
  if (options_.limit) {
    deadline_ = started_ + *options_.limit;
  }
}

bool CommandWait::nonblocking() const {
  return options_.limit && *options_.limit <= Duration(0);
}

void CommandWait::begin(BootTime now) {
  if (!signal_fd_) {
    signal_fd_ = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP});
    if (options_.say_line) {
      line_.emplace(options_.line, now);
    }
  }
}

std::optional<BootTime> CommandWait::next_event() const {
  std::optional<BootTime> next = deadline_;
  if (line_) {
    next = next ? std::min(*next, line_->next()) : line_->next();
  }
  return next;
}

WaitVerdict CommandWait::attend(BootTime now) {
  while (const auto number = Signals::next(signal_fd_)) {
    if (*number == SIGTSTP) {
      return WaitVerdict::suspend;
    }
    cancelled_.signal = *number;
    return WaitVerdict::cancelled;
  }
  if (deadline_ && now >= *deadline_) {
    return WaitVerdict::timed_out;
  }
  if (line_ && line_->due(now)) {
    options_.say_line(now - started_);
  }
  return WaitVerdict::go_on;
}

void CommandWait::explain(const std::string& why) {
  if (options_.say_why && !std::exchange(explained_, true)) {
    options_.say_why(why);
  }
}

void CommandWait::suspend() {
  options_.stop ? options_.stop() : static_cast<void>(stop_self(SIGTSTP));
}

}  // namespace lockgate
