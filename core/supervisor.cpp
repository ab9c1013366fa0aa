// SPDX-License-Identifier: Apache-2.0
#include "core/supervisor.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "core/tree_end.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

}  // namespace

int Outcome::exit_status() const {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// One run. The state that changes while it goes on, apart from what was decided before.
class Supervisor::Impl {
 public:
  Impl(const SuperviseOptions& options, const Terminal& terminal, const UniqueFd& signal_fd, pid_t child)
      : options_(options), terminal_(terminal), child_(child), signal_fd_(signal_fd), tree_(child) {}

  Outcome run();

 private:
  void on_signal(int number);
  void reap();
  void on_status(int status);
  void stop_with_command(int number);
  void stop_with_what_is_left();
  void on_continue();
  void continue_command();
  void on_mate_wants_terminal(int number);
  void begin_to_end(Outcome::Cause cause, BootTime now);
  BootTime do_what_is_due(BootTime now);
  void send(int number) const;
  [[nodiscard]] bool finished() const;

  const SuperviseOptions& options_;
  const Terminal& terminal_;
  pid_t child_;
  const UniqueFd& signal_fd_;
  DescendantTree tree_;
  std::optional<TreeEnd> end_;
  Outcome outcome_;
  bool command_ended_ = false;
  bool tree_ended_ = false;
  int interrupts_ = 0;
  bool forwarded_key_ = false;  // SIGINT or SIGQUIT
  BootTime started_ = BootClock::now();
  BootTime next_look_ = started_ + kLookEvery;
};

Outcome Supervisor::Impl::run() {
  reap();  // it may have ended before the descriptor was there
  while (!finished()) {
    pollfd poll_fd{signal_fd_.get(), POLLIN, 0};
    const BootTime wake = do_what_is_due(BootClock::now());
    if (finished()) {
      break;
    }
    poll(&poll_fd, 1, poll_timeout(wake, BootClock::now()));
    while (const auto number = Signals::next(signal_fd_)) {
      on_signal(*number);
    }
  }
  return outcome_;
}

bool Supervisor::Impl::finished() const {
  if (end_) {
    return command_ended_ && end_->finished();
  }
  return command_ended_ && (options_.wait_for == WaitFor::command || tree_ended_);
}

BootTime Supervisor::Impl::do_what_is_due(BootTime now) {
  BootTime wake = BootTime::max();
  if (options_.look_after_hold) {
    if (now >= next_look_) {
      options_.look_after_hold();
      next_look_ = now + kLookEvery;
    }
    wake = next_look_;
  }
  if (!end_ && options_.max_hold) {
    const BootTime over = started_ + *options_.max_hold;
    if (now >= over) {
      begin_to_end(Outcome::Cause::max_hold, now);
    }
    wake = std::min(wake, over);
  }
  if (end_ && !end_->finished()) {
    if (const auto again = end_->step(now)) {
      wake = std::min(wake, *again);
    }
    reap();
    outcome_.unreachable = end_->unreachable();
    outcome_.left = tree_ended_ ? Outcome::Left::nothing : Outcome::Left::something;
  }
  return wake;
}

void Supervisor::Impl::begin_to_end(Outcome::Cause cause, BootTime now) {
  if (!end_) {
    outcome_.cause = cause;
    end_.emplace(tree_, now, options_.kill_after, std::nullopt);
  }
}

void Supervisor::Impl::send(int number) const {
  if (!command_ended_) {
    if (kill(-child_, number) != 0) {
      kill(child_, number);  // it left its group
    }
    return;
  }
  DescendantTree left(0);
  for (const ProcessInfo& process : left.survivors()) {
    left.signal(process, number);
  }
}

void Supervisor::Impl::on_signal(int number) {
  // First of all: signals come by their numbers and not in their order, and what is for a command that has just ended
  // is for what it left behind.
  reap();
  switch (number) {
    case SIGCHLD:
      break;
    case SIGCONT:
      on_continue();
      break;
    case SIGTTIN:
    case SIGTTOU:
      on_mate_wants_terminal(number);
      break;
    case SIGTSTP:
      if (command_ended_) {
        stop_with_what_is_left();
      } else {
        send(number);  // it comes back as the command's status
      }
      break;
    case SIGINT:
      if (++interrupts_ == 2) {
        begin_to_end(Outcome::Cause::interrupted_twice, BootClock::now());
        break;
      }
      [[fallthrough]];
    case SIGQUIT:
      forwarded_key_ = true;
      [[fallthrough]];
    default:
      send(number);
      break;
  }
}

/// Collects every child that ended or stopped: the command, and orphans of its tree, which come to us.
void Supervisor::Impl::reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
    if (pid == child_) {
      on_status(status);
    }
  }
  tree_ended_ = pid < 0;
}

void Supervisor::Impl::on_status(int status) {
  if (!WIFSTOPPED(status)) {
    command_ended_ = true;
    outcome_.wait_status = status;
    const bool was_foreground = terminal_.is_foreground(child_);
    // After `fg` to a job that ran already nobody tells us, so the keys came to our own group.
    outcome_.had_terminal = was_foreground || (forwarded_key_ && terminal_.is_foreground(getpgrp()));
    if (was_foreground && WIFSIGNALED(status)) {
      terminal_.restore_settings();
    }
    if (was_foreground) {
      // Whatever it left behind is in the background from now on, as after any command.
      terminal_.set_foreground(getpgrp());
    }
    return;
  }
  const int number = WSTOPSIG(status);
  const bool wants_terminal = number == SIGTTIN || number == SIGTTOU;
  if (wants_terminal && terminal_.is_foreground(getpgrp())) {
    // We are in the foreground and it is not: somebody of our group had wanted the terminal. Now it is its turn.
    continue_command();
  } else if (wants_terminal || number == SIGTSTP) {
    stop_with_command(number);
  }
  // Stopped by SIGSTOP: somebody's own business, and theirs to continue.
}

void Supervisor::Impl::stop_with_command(int number) {
  if (end_) {
    return;  // TreeEnd continues what is stopped
  }
  if (terminal_.is_foreground(child_)) {
    terminal_.set_foreground(getpgrp());
  }
  if (!stop_own_group(number)) {
    // Nobody could continue us (no job control above us), so nobody would continue the command.
    continue_command();
  }
  // Else SIGCONT is pending, and on_continue() comes with it.
}

/// After the command's end, Ctrl-Z comes to us alone.
void Supervisor::Impl::stop_with_what_is_left() {
  if (end_) {
    return;
  }
  send(SIGTSTP);
  if (!stop_self(SIGTSTP)) {
    send(SIGCONT);
  }
}

void Supervisor::Impl::on_continue() {
  if (command_ended_ || is_ignored(SIGINT)) {  // the latter: see start()
    send(SIGCONT);
  } else {
    continue_command();
  }
}

void Supervisor::Impl::continue_command() {
  if (terminal_.is_foreground(getpgrp())) {
    terminal_.set_foreground(child_);
  }
  kill(-child_, SIGCONT);
}

/// Another process of our group (`lockgate exec ... | less`) wants the terminal which the command has.
void Supervisor::Impl::on_mate_wants_terminal(int number) {
  if (terminal_.is_foreground(child_)) {
    terminal_.set_foreground(getpgrp());
    continue_own_group();
  } else if (!terminal_.is_foreground(getpgrp())) {
    send(number);  // the whole job is in the background: it stops, as a job does, and we with it
  }
}

Supervisor::Supervisor(const Signals& signals, SuperviseOptions options)
    : signals_(signals),
      options_(std::move(options)),
      terminal_(Terminal::open()),
      signal_fd_(Signals::open(
          {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT})) {
  become_subreaper();
}

int Supervisor::start(const Command& command) {
  const Started started = lockgate::start(command, signals_, terminal_);
  child_ = started.pid;
  if (started.error != 0) {
    int status = 0;
    waitpid(child_, &status, 0);
    if (terminal_.is_foreground(child_)) {
      terminal_.set_foreground(getpgrp());
    }
  }
  return started.error;
}

Outcome Supervisor::run() {
  return Impl(options_, terminal_, signal_fd_, child_).run();
}

}  // namespace lockgate
