// SPDX-License-Identifier: Apache-2.0
#include "core/guardian_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <deque>
#include <optional>

#include "core/error.hpp"
#include "core/tree_end.hpp"

namespace lockgate {
namespace {

using Kind = GuardianEvent::Kind;

void close_from_to(unsigned first, unsigned last) {
  if (first > last || ::syscall(SYS_close_range, first, last, 0U) == 0) {
    return;
  }
  const auto end = std::min(static_cast<unsigned>(std::max(::sysconf(_SC_OPEN_MAX), 0L)), last);
  for (auto fd = first; fd < end; ++fd) {  // a kernel before 5.9
    ::close(static_cast<int>(fd));
  }
}

class GuardianProcess {
 public:
  explicit GuardianProcess(const GuardianTask& task);
  /// Until lockgate is dead and nothing is left to end.
  void run();

 private:
  void spawn();
  [[noreturn]] void become_command(pid_t guardian, int report) const;
  void keep_only_own_descriptors() const;

  void wait_for_something();
  void read_link();
  void read_exec_report();
  void read_signals();
  void read_children();
  void on_child_status(int status);
  void end_tree_if_due(BootTime now);
  void begin_to_end(BootTime now, BootTime kill_at);
  [[nodiscard]] BootTime term_at() const { return task_.shared.get() - task_.kill_after; }

  void tell(Kind kind, int value);
  void tell_tree_gone(std::size_t unreachable);
  void flush();

  const GuardianTask& task_;
  UniqueFd link_;
  UniqueFd lockgate_pidfd_;
  UniqueFd timer_ = open_boot_timer();
  UniqueFd signals_ = Signals::open({SIGCHLD});
  UniqueFd exec_report_;
  std::deque<GuardianEvent> outbox_;
  std::optional<DescendantTree> tree_;
  std::optional<TreeEnd> end_;
  pid_t child_ = 0;  // 0: none, or reaped
  bool exec_failed_ = false;
  bool lockgate_died_ = false;
  bool tree_gone_ = false;
};

GuardianProcess::GuardianProcess(const GuardianTask& task)
    : task_(task), link_(task.link), lockgate_pidfd_(task.lockgate_pidfd) {
}

void GuardianProcess::run() {
  if (BootClock::now() >= term_at()) {
    tell(Kind::exec_failed, ETIME);
    tree_gone_ = true;
  } else {
    spawn();
  }
  keep_only_own_descriptors();
  while (!lockgate_died_ || !tree_gone_) {
    end_tree_if_due(BootClock::now());
    flush();
    if (!lockgate_died_ || !tree_gone_) {
      wait_for_something();
    }
  }
}

void GuardianProcess::spawn() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ExitCode::internal, "cannot make a pipe: " + errno_text(errno));
  }
  exec_report_.reset(ends[0]);
  const UniqueFd report(ends[1]);
  const pid_t guardian = ::getpid();
  // Not vfork: that would hold the guardian up while somebody has stopped the child before its exec.
  child_ = ::fork();
  if (child_ == 0) {
    become_command(guardian, report.get());
  }
  if (child_ < 0) {
    child_ = 0;
    exec_report_.reset();
    tell(Kind::exec_failed, errno);
    tree_gone_ = true;
    return;
  }
  ::setpgid(child_, child_);  // both do it, for either may need it first
}

void GuardianProcess::become_command(pid_t guardian, int report) const {
  // The second net, for the case that the guardian is killed. It would not work for a guardian that died before it
  // was set, hence the second look.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != guardian) {
    ::_exit(127);
  }
  ::close(task_.link);  // or lockgate would not notice the guardian's death before exec
  ::setpgid(0, 0);
  if (task_.foreground) {
    task_.terminal.set_foreground(::getpid());
  }
  const auto argv = exec_words(task_.command.argv);
  const auto environment = exec_words(task_.command.environment);
  task_.signals.restore();
  ::execvpe(argv[0], argv.data(), environment.data());
  const int error = errno;
  (void)!::write(report, &error, sizeof error);
  ::_exit(127);
}

/// The guardian keeps nobody else's pipe, file or directory open: it may live longer than lockgate and the command.
void GuardianProcess::keep_only_own_descriptors() const {
  std::array<int, 5> own{link_.get(), lockgate_pidfd_.get(), timer_.get(), signals_.get(), exec_report_.get()};
  std::sort(own.begin(), own.end());
  unsigned next = 0;
  for (const int fd : own) {
    if (fd >= 0) {
      if (fd > 0) {
        close_from_to(next, static_cast<unsigned>(fd) - 1);
      }
      next = static_cast<unsigned>(fd) + 1;
    }
  }
  close_from_to(next, ~0U);
  (void)!::chdir("/");
}

void GuardianProcess::wait_for_something() {
  // poll() passes over descriptors that are -1.
  std::array<pollfd, 5> fds{{{link_.get(), POLLIN, 0},
                             {lockgate_pidfd_.get(), POLLIN, 0},
                             {timer_.get(), POLLIN, 0},
                             {signals_.get(), POLLIN, 0},
                             {exec_report_.get(), POLLIN, 0}}};
  if (!outbox_.empty()) {
    fds[0].events = POLLIN | POLLOUT;
  }
  if (::poll(fds.data(), fds.size(), -1) <= 0) {
    return;
  }
  if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    read_link();
  }
  if (fds[1].revents != 0) {
    lockgate_died_ = true;
    lockgate_pidfd_.reset();
  }
  if (fds[4].revents != 0) {
    read_exec_report();
  }
  if (fds[3].revents != 0) {
    read_signals();
  }
}

void GuardianProcess::read_link() {
  EndOrder order;
  const auto size = ::recv(link_.get(), &order, sizeof order, MSG_DONTWAIT);
  if (size == sizeof order) {
    begin_to_end(BootClock::now(), BootTime(Duration(order.kill_at)));
  } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
    lockgate_died_ = true;
    link_.reset();
    outbox_.clear();
  }
}

void GuardianProcess::read_exec_report() {
  int error = 0;
  const auto size = ::read(exec_report_.get(), &error, sizeof error);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  exec_report_.reset();
  if (size == sizeof error) {
    exec_failed_ = tree_gone_ = true;
    tell(Kind::exec_failed, error);
  } else {
    tell(Kind::started, child_);
  }
}

void GuardianProcess::read_signals() {
  while (Signals::next(signals_)) {
  }
  read_children();
}

void GuardianProcess::read_children() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
    if (pid == child_) {
      on_child_status(status);
    }  // else an orphan of the tree, that was to be reaped
  }
  if (pid < 0 && errno == ECHILD) {
    tell_tree_gone(0);  // a subreaper without children has no descendants
  }
}

void GuardianProcess::on_child_status(int status) {
  if (exec_report_) {
    read_exec_report();  // `started` comes before all else
  }
  const bool ended = WIFEXITED(status) || WIFSIGNALED(status);
  if (!exec_failed_) {
    if (ended) {
      tell(Kind::ended, status);
    } else {
      tell(WIFSTOPPED(status) ? Kind::stopped : Kind::continued, WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    }
  }
  if (ended) {
    child_ = 0;
  }
}

void GuardianProcess::end_tree_if_due(BootTime now) {
  if (tree_gone_) {
    set_boot_timer(timer_, BootTime::max());  // one that has expired would keep poll() awake
    return;
  }
  const auto deadline = task_.shared.get();
  if (lockgate_died_) {
    begin_to_end(now, deadline);
  } else if (!end_ && now >= term_at()) {
    begin_to_end(now, deadline);
    tell(Kind::ending, 0);
  }
  if (!end_) {
    set_boot_timer(timer_, term_at());
    return;
  }
  if (const auto next = end_->step(now)) {
    set_boot_timer(timer_, *next);
  }
  read_children();
  if (end_->finished()) {
    tell_tree_gone(end_->unreachable().size());
  }
}

void GuardianProcess::begin_to_end(BootTime now, BootTime kill_at) {
  task_.shared.end_begun = true;
  const auto latest = std::min(kill_at, task_.shared.get());
  if (!end_) {
    end_.emplace(tree_.emplace(child_), now, task_.kill_after, latest);
  }
  end_->kill_no_later_than(latest);
}

void GuardianProcess::tell_tree_gone(std::size_t unreachable) {
  if (!tree_gone_) {
    tree_gone_ = true;
    tell(Kind::tree_gone, static_cast<int>(unreachable));
  }
}

void GuardianProcess::tell(Kind kind, int value) {
  const auto passing = [](const GuardianEvent& event) {
    return event.kind == Kind::stopped || event.kind == Kind::continued;
  };
  const GuardianEvent event{kind, value};
  if (passing(event)) {
    // What lockgate has not read yet is out of date, and a stopped lockgate must not fill our memory.
    outbox_.erase(std::remove_if(outbox_.begin(), outbox_.end(), passing), outbox_.end());
  }
  outbox_.push_back(event);
}

void GuardianProcess::flush() {
  while (link_ && !outbox_.empty()) {
    if (::send(link_.get(), &outbox_.front(), sizeof(GuardianEvent), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      return;  // full: poll() tells when it is not; broken: read_link() will see it
    }
    outbox_.pop_front();
  }
}

}  // namespace

void be_guardian(const GuardianTask& task) {
  int status = 0;
  try {
    // Its own group, so that neither Ctrl-C nor a `kill -9` of lockgate's group takes it along. Nothing runs before.
    ::setpgid(0, 0);
    ::prctl(PR_SET_NAME, "lockgate-guard", 0, 0, 0);
    become_subreaper();
    GuardianProcess(task).run();
  } catch (...) {
    status = to_int(ExitCode::internal);  // lockgate sees a guardian that died, and ends the tree
  }
  ::_exit(status);
}

}  // namespace lockgate
