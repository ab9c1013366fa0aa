// SPDX-License-Identifier: Apache-2.0
#include "core/supervisor.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/tree_end.hpp"

namespace lockgate {
namespace {

using Kind = GuardianEvent::Kind;

constexpr std::chrono::seconds kLookEvery{5};
// For a guardian that had been stopped to tell how the command ended, after lockgate has ended the tree itself.
constexpr std::chrono::seconds kTimeToTell{1};

}  // namespace

int Outcome::exit_status() const {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// One run. The state that changes while it goes on, apart from what was decided before.
class Supervisor::Impl {
 public:
  Impl(const SuperviseOptions& options, const Terminal& terminal, const UniqueFd& signal_fd, pid_t child,
       CommandTree& tree)
      : options_(options), terminal_(terminal), child_(child), signal_fd_(signal_fd), tree_(tree) {}

  Outcome run();

 private:
  void wait(BootTime wake);
  void on_signal(int number);
  void see_what_happened();
  void on_event(const GuardianEvent& event);
  void on_end(int status);
  void on_stop(int number);
  void stop_with_command(int number);
  void stop_with_what_is_left();
  void on_continue();
  void continue_command();
  void on_mate_wants_terminal(int number);
  void on_lost();
  void begin_to_end(Outcome::Cause cause, BootTime now);
  BootTime do_what_is_due(BootTime now);
  void send(int number) const;
  void conclude();
  [[nodiscard]] bool finished() const;

  const SuperviseOptions& options_;
  const Terminal& terminal_;
  pid_t child_;
  const UniqueFd& signal_fd_;
  CommandTree& tree_;
  Outcome outcome_;
  bool command_ended_ = false;
  bool ending_ = false;
  std::optional<BootTime> tree_gone_;
  bool guardian_died_ = false;
  bool loss_is_told_ = false;
  int interrupts_ = 0;
  bool forwarded_key_ = false;  // SIGINT or SIGQUIT
  BootTime started_ = BootClock::now();
  BootTime next_look_ = started_ + kLookEvery;
};

Outcome Supervisor::Impl::run() {
  see_what_happened();  // it may have ended before the descriptor was there
  while (!finished()) {
    const BootTime wake = do_what_is_due(BootClock::now());
    if (finished()) {
      break;
    }
    wait(wake);
  }
  conclude();
  return outcome_;
}

void Supervisor::Impl::wait(BootTime wake) {
  const bool wants_loss = options_.lost != nullptr && !loss_is_told_;
  std::array<pollfd, 3> fds{
      {{signal_fd_.get(), POLLIN, 0}, {tree_.fd(), POLLIN, 0}, {wants_loss ? options_.lost->fd() : -1, POLLIN, 0}}};
  poll(fds.data(), fds.size(), poll_timeout(wake, BootClock::now()));
  while (const auto number = Signals::next(signal_fd_)) {
    on_signal(*number);
  }
  if (fds[1].revents != 0) {
    see_what_happened();
  }
  if (fds[2].revents != 0 && !finished()) {
    on_lost();
  }
}

bool Supervisor::Impl::finished() const {
  if (!ending_) {
    return command_ended_ && (options_.wait_for == WaitFor::command || tree_gone_);
  }
  if (!tree_gone_) {
    return false;
  }
  // A command that may not be signalled is waited for, but not where its lock is another's already.
  const bool can_still_end = !guardian_died_ && outcome_.cause != Outcome::Cause::lost;
  const bool is_alive = !outcome_.unreachable.empty();
  return command_ended_ || guardian_died_ ||
         (is_alive ? !can_still_end : BootClock::now() >= *tree_gone_ + kTimeToTell);
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
  if (!ending_ && options_.max_hold) {
    const BootTime over = started_ + *options_.max_hold;
    if (now >= over) {
      begin_to_end(Outcome::Cause::max_hold, now);
    }
    wake = std::min(wake, over);
  }
  if (const auto again = tree_.enforce(now)) {
    wake = std::min(wake, *again);
  }
  if (ending_) {
    see_what_happened();
    if (tree_gone_ && outcome_.unreachable.empty()) {
      wake = std::min(wake, *tree_gone_ + kTimeToTell);
    }
  }
  return wake;
}

void Supervisor::Impl::on_lost() {
  loss_is_told_ = true;
  if (options_.on_lost == OnLost::let_run) {
    options_.say_lost(options_.lost->reason().value_or(""));
    return;
  }
  begin_to_end(Outcome::Cause::lost, BootClock::now());
  outcome_.cause = Outcome::Cause::lost;  // also where the end had begun for another reason
}

void Supervisor::Impl::begin_to_end(Outcome::Cause cause, BootTime now) {
  if (!ending_) {
    ending_ = true;
    outcome_.cause = cause;
    tree_.request_end(now, options_.kill_after);
  }
}

/// When there is nothing left to wait for.
void Supervisor::Impl::conclude() {
  if (ending_) {
    tree_.let_go();
  } else {
    tree_.let_go_soon();  // the next owner need not wait for the guardian
  }
  if (!command_ended_) {
    on_end(SIGKILL);
  }
  if (ending_ && !nothing_is_left()) {
    outcome_.left = Outcome::Left::something;
  }
}

void Supervisor::Impl::send(int number) const {
  if (!command_ended_) {
    if (kill(-child_, number) != 0) {
      tree_.signal_command(number);  // it left its group
    }
    return;
  }
  for (const ProcessInfo& process : tree_.survivors()) {
    tree_.signal(process, number);
  }
}

void Supervisor::Impl::on_signal(int number) {
  // First of all: signals come by their numbers and not in their order, and what is for a command that has just ended
  // is for what it left behind.
  see_what_happened();
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

void Supervisor::Impl::see_what_happened() {
  // One after the other: what comes after the end that was waited for is nobody's concern.
  while (!finished()) {
    const auto event = tree_.next_event();
    if (!event) {
      return;
    }
    on_event(*event);
  }
}

void Supervisor::Impl::on_event(const GuardianEvent& event) {
  switch (event.kind) {
    case Kind::stopped:
      on_stop(event.value);
      break;
    case Kind::ended:
      on_end(event.value);
      break;
    case Kind::ending:
      ending_ = true;
      outcome_.cause = Outcome::Cause::lost;
      break;
    case Kind::guardian_died:
      guardian_died_ = true;
      if (!ending_) {
        ending_ = true;
        outcome_.cause = Outcome::Cause::guardian_died;
      }
      break;
    case Kind::tree_gone:
      tree_gone_ = BootClock::now();
      outcome_.unreachable = event.value > 0 ? tree_.survivors() : std::vector<ProcessInfo>();
      break;
    default:
      break;
  }
}

void Supervisor::Impl::on_end(int status) {
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
}

void Supervisor::Impl::on_stop(int number) {
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
  if (ending_) {
    return;  // what is stopped is continued to its end
  }
  if (terminal_.is_foreground(child_)) {
    terminal_.set_foreground(getpgrp());
  }
  options_.before_stop();
  if (!stop_own_group(number)) {
    // Nobody could continue us (no job control above us), so nobody would continue the command.
    continue_command();
  }
  // Else SIGCONT is pending, and on_continue() comes with it.
}

/// After the command's end, Ctrl-Z comes to us alone.
void Supervisor::Impl::stop_with_what_is_left() {
  if (ending_) {
    return;
  }
  send(SIGTSTP);
  options_.before_stop();
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

Guardian& Supervisor::start_guarded(const Command& command, BootTime deadline) {
  command_got_terminal_ = command_gets(terminal_);
  guarded_ =
      std::make_unique<GuardedTree>(Guardian::start(command, signals_, terminal_, deadline, options_.kill_after));
  return guarded_->guardian();
}

int Supervisor::wait_for_start() {
  const auto take_terminal_back = [this] {
    if (command_got_terminal_) {  // nobody tells which number its group had
      terminal_.set_foreground(getpgrp());
    }
  };
  try {
    const int error = guarded_->wait_for_start();
    if (error != 0) {
      take_terminal_back();
    }
    child_ = guarded_->command();
    return error;
  } catch (const Error&) {
    take_terminal_back();
    throw;
  }
}

Outcome Supervisor::run() {
  if (guarded_) {
    return Impl(options_, terminal_, signal_fd_, child_, *guarded_).run();
  }
  DirectTree tree(child_);
  return Impl(options_, terminal_, signal_fd_, child_, tree).run();
}

}  // namespace lockgate
