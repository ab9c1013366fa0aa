// SPDX-License-Identifier: Apache-2.0
#include "core/command_tree.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <csignal>

#include "core/error.hpp"

namespace lockgate {

using Kind = GuardianEvent::Kind;

/// Collects children that ended or stopped: the command, and orphans of its tree, which come to us.
std::optional<GuardianEvent> DirectTree::next_event() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
    if (pid == child_) {
      return WIFSTOPPED(status) ? GuardianEvent{Kind::stopped, WSTOPSIG(status)} : GuardianEvent{Kind::ended, status};
    }
  }
  const bool none_is_left = pid < 0;
  if (!told_gone_ && (none_is_left || (end_ && end_->finished()))) {
    told_gone_ = true;
    return GuardianEvent{Kind::tree_gone, end_ ? static_cast<int>(end_->unreachable().size()) : 0};
  }
  return std::nullopt;
}

void DirectTree::request_end(BootTime now, Duration kill_after) {
  if (!end_) {
    end_.emplace(tree_, now, kill_after, std::nullopt);
  }
  end_->kill_no_later_than(now + kill_after);
}

std::optional<BootTime> DirectTree::enforce(BootTime now) {
  return end_ ? end_->step(now) : std::nullopt;
}

void DirectTree::signal_command(int number) {
  kill(child_, number);
}

std::vector<ProcessInfo> DirectTree::survivors() {
  return tree_.survivors();
}

void GuardedTree::wait() {
  pollfd readable{guardian_.fd(), POLLIN, 0};
  poll(&readable, 1, -1);
}

int GuardedTree::wait_for_start() {
  while (true) {
    guardian_.enforce(BootClock::now());
    while (const auto event = guardian_.next_event()) {
      switch (event->kind) {
        case Kind::started:
          command_ = event->value;
          return 0;
        case Kind::exec_failed:
          guardian_.dismiss();
          return event->value;
        case Kind::tree_gone:
        case Kind::guardian_died:
          fail_to_start();
        default:
          early_.push_back(*event);
      }
    }
    wait();
  }
}

void GuardedTree::fail_to_start() {
  while (guardian_.enforce(BootClock::now())) {
    wait();
    while (guardian_.next_event()) {
    }
  }
  throw Error(ExitCode::internal, "the guardian process died before it had started the command",
              "did something kill it? The command was not run, or was ended at once");
}

std::optional<GuardianEvent> GuardedTree::next_event() {
  if (early_.empty()) {
    return guardian_.next_event();
  }
  const auto event = early_.front();
  early_.pop_front();
  return event;
}

std::optional<BootTime> GuardedTree::enforce(BootTime now) {
  guardian_.enforce(now);
  return std::nullopt;  // its descriptor tells, on the boot clock
}

/// Not by its number alone: it is the guardian that would have to reap it, so it could be another's by now.
void GuardedTree::signal_command(int number) {
  for (const ProcessInfo& process : survivors()) {
    if (process.pid == command_) {
      signal(process, number);
    }
  }
}

}  // namespace lockgate
