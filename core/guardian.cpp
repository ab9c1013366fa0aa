// SPDX-License-Identifier: Apache-2.0
#include "core/guardian.hpp"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <new>

#include "core/boot_timer.hpp"
#include "core/error.hpp"
#include "core/guardian_process.hpp"
#include "core/tree_end.hpp"

namespace lockgate {
namespace {

using namespace std::chrono_literals;
using Kind = GuardianEvent::Kind;

// How much later than the guardian lockgate does the guardian's work: long enough for two processes that were woken at
// the same moment not to send TERM twice, short enough to leave the command most of its time. KILL has no such delay.
constexpr Duration kLongestSlack = 50ms;

[[noreturn]] void fail(const char* what) {
  throw Error(ExitCode::internal, std::string("cannot start the guardian: ") + what + ": " + errno_text(errno));
}

UniqueFd open_pidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
}

/// The descendants of lockgate without the guardian, which is needed to the last.
class TreeWithoutGuardian : public ProcessTree {
 public:
  explicit TreeWithoutGuardian(pid_t guardian) : descendants_(guardian), guardian_(guardian) {}

  std::vector<ProcessInfo> survivors() override {
    auto all = descendants_.survivors();
    // By parent as well as by number: dead and reaped, its number may belong to somebody of the tree.
    all.erase(std::remove_if(all.begin(), all.end(),
                             [this](const ProcessInfo& process) {
                               return !guardian_gone && process.pid == guardian_ && process.ppid == ::getpid();
                             }),
              all.end());
    return all;
  }
  int signal(const ProcessInfo& process, int signal) override { return descendants_.signal(process, signal); }
  int signal_group(pid_t group, int signal) override {
    return group == guardian_ ? EPERM : descendants_.signal_group(group, signal);
  }

  bool guardian_gone = false;

 private:
  DescendantTree descendants_;
  pid_t guardian_;
};

/// SharedDeadline in a page of its own that a fork does not copy.
class SharedPage {
 public:
  explicit SharedPage(BootTime deadline) {
    void* page = ::mmap(nullptr, sizeof(SharedDeadline), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
      fail("mmap");
    }
    shared_ = new (page) SharedDeadline;
    shared_->nanoseconds = deadline.time_since_epoch().count();
  }
  ~SharedPage() { ::munmap(shared_, sizeof(SharedDeadline)); }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  SharedDeadline& operator*() const { return *shared_; }
  SharedDeadline* operator->() const { return shared_; }

 private:
  SharedDeadline* shared_;
};

}  // namespace

class Guardian::Impl {
 public:
  Impl(BootTime deadline, Duration kill_after);
  void start(const Command& command, const Signals& signals, const Terminal& terminal);
  void abandon();

  std::optional<GuardianEvent> next_event();
  void move_deadline(BootTime deadline);
  void request_end(BootTime now, Duration kill_after);
  std::optional<BootTime> enforce(BootTime now);
  void dismiss();
  void dismiss_soon();

  [[nodiscard]] int fd() const { return watch_.get(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::vector<ProcessInfo> survivors() { return tree_ ? tree_->survivors() : std::vector<ProcessInfo>(); }

 private:
  void watch(const UniqueFd& fd) const;
  std::optional<GuardianEvent> take_own_event();
  void on_guardian_death();
  void reap_guardian();
  void signal_guardian(int signal) const;
  [[nodiscard]] BootTime own_turn() const;

  SharedPage shared_;
  Duration kill_after_;
  UniqueFd link_;
  UniqueFd pidfd_;
  UniqueFd timer_ = open_boot_timer();
  UniqueFd watch_{::epoll_create1(EPOLL_CLOEXEC)};
  pid_t pid_ = 0;
  std::optional<TreeWithoutGuardian> tree_;
  std::optional<TreeEnd> end_;            // lockgate's own
  std::optional<BootTime> requested_at_;  // the first request_end()
  BootTime kill_at_ = BootTime::max();    // as requested
  bool guardian_died_ = false;
  bool to_be_reaped_ = false;  // it was killed, and not yet waited for
  bool over_ = false;          // nothing left to enforce
  std::deque<GuardianEvent> own_events_;
};

Guardian::Impl::Impl(BootTime deadline, Duration kill_after) : shared_(deadline), kill_after_(kill_after) {
  if (!watch_) {
    fail("epoll");
  }
}

void Guardian::Impl::start(const Command& command, const Signals& signals, const Terminal& terminal) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    fail("socketpair");
  }
  link_.reset(ends[0]);
  UniqueFd guardian_end(ends[1]);
  watch(link_);
  watch(timer_);
  const bool foreground = command_gets(terminal);
  // Opened here, where there is no doubt whose number it is. It sees lockgate's death also if somebody else should
  // have got hold of our end of the link.
  UniqueFd self = open_pidfd(::getpid());
  pid_ = ::fork();
  if (pid_ == 0) {
    link_.reset();
    be_guardian({.command = command,
                 .signals = signals,
                 .terminal = terminal,
                 .foreground = foreground,
                 .shared = *shared_,
                 .kill_after = kill_after_,
                 .lockgate_pidfd = self.release(),
                 .link = guardian_end.release()});
  }
  if (pid_ < 0) {
    fail("fork");
  }
  pidfd_ = open_pidfd(pid_);
  tree_.emplace(pid_);
}

void Guardian::Impl::watch(const UniqueFd& fd) const {
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(watch_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    fail("epoll");
  }
}

std::optional<GuardianEvent> Guardian::Impl::next_event() {
  if (!own_events_.empty() && own_events_.front().kind == Kind::ending) {
    return take_own_event();  // before any `ended` that comes of it
  }
  while (link_) {
    GuardianEvent event;
    const auto size = ::recv(link_.get(), &event, sizeof event, MSG_DONTWAIT);
    if (size == 0) {
      on_guardian_death();
      return GuardianEvent{Kind::guardian_died, 0};
    }
    if (size == sizeof event) {
      if (end_ && (event.kind == Kind::ending || (event.kind == Kind::tree_gone && over_))) {
        continue;  // lockgate has said so itself, or was told to
      }
      over_ = over_ || event.kind == Kind::tree_gone || event.kind == Kind::exec_failed;
      return event;
    }
    // ECONNRESET: it died with an order unread. What it said before is still there.
    if (errno != EINTR && errno != ECONNRESET) {
      break;
    }
  }
  return take_own_event();
}

std::optional<GuardianEvent> Guardian::Impl::take_own_event() {
  if (own_events_.empty()) {
    return std::nullopt;
  }
  const auto event = own_events_.front();
  own_events_.pop_front();
  return event;
}

void Guardian::Impl::on_guardian_death() {
  guardian_died_ = true;
  // It closes its descriptors some moments before it can be waited for; KILL makes sure that it goes.
  signal_guardian(SIGKILL);
  reap_guardian();
}

void Guardian::Impl::reap_guardian() {
  ::waitpid(pid_, nullptr, 0);
  to_be_reaped_ = false;
  // The link comes last: a guardian that is still alive would take its end for our death.
  link_.reset();
  tree_->guardian_gone = true;
}

void Guardian::Impl::signal_guardian(int signal) const {
  if (pidfd_) {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0U);
  } else {
    ::kill(pid_, signal);
  }
}

void Guardian::Impl::move_deadline(BootTime deadline) {
  const std::int64_t wanted = deadline.time_since_epoch().count();
  auto current = shared_->nanoseconds.load();
  while (current < wanted && !shared_->nanoseconds.compare_exchange_weak(current, wanted)) {
  }
}

void Guardian::Impl::request_end(BootTime now, Duration kill_after) {
  requested_at_ = requested_at_.value_or(now);
  kill_at_ = std::min(kill_at_, now + kill_after);
  const EndOrder order{kill_at_.time_since_epoch().count()};
  if (link_) {
    // If it does not go through, enforce() does the work.
    (void)!::send(link_.get(), &order, sizeof order, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (end_) {
    end_->kill_no_later_than(kill_at_);
  }
}

/// When lockgate has to act itself, as things stand.
BootTime Guardian::Impl::own_turn() const {
  if (guardian_died_) {
    return BootTime::min();
  }
  const auto slack = std::min(kill_after_ / 4, kLongestSlack);
  auto turn = shared_->get();
  if (requested_at_) {
    turn = std::min(turn, kill_at_ + slack);
  }
  if (!shared_->end_begun) {
    turn = std::min(turn, shared_->get() - kill_after_ + slack);
    turn = std::min(turn, requested_at_ ? *requested_at_ + slack : turn);
  }
  return turn;
}

std::optional<BootTime> Guardian::Impl::enforce(BootTime now) {
  if (!end_ && !over_ && now >= own_turn()) {
    end_.emplace(*tree_, now, kill_after_, std::min(shared_->get(), kill_at_));
    if (!guardian_died_ && !requested_at_) {
      own_events_.push_back({Kind::ending, 0});
    }
    signal_guardian(SIGCONT);  // it may only be stopped, and then can still tell how the command ended
  }
  std::optional<BootTime> next;
  if (end_ && !over_) {
    next = end_->step(now);
    if (end_->finished()) {
      over_ = true;
      own_events_.push_back({Kind::tree_gone, static_cast<int>(end_->unreachable().size())});
      next = now;  // so that fd() tells of the event
    }
  } else if (!over_) {
    next = own_turn();
  }
  set_boot_timer(timer_, next.value_or(BootTime::max()));
  return next;
}

void Guardian::Impl::dismiss() {
  over_ = true;
  if (!guardian_died_) {
    on_guardian_death();
  }
}

void Guardian::Impl::dismiss_soon() {
  over_ = true;
  if (!guardian_died_) {
    guardian_died_ = to_be_reaped_ = true;
    signal_guardian(SIGKILL);
  }
}

void Guardian::Impl::abandon() {
  if (to_be_reaped_) {
    reap_guardian();
  }
  if (!guardian_died_) {
    link_.reset();
    signal_guardian(SIGCONT);
  }
}

Guardian Guardian::start(const Command& command, const Signals& signals, const Terminal& terminal, BootTime deadline,
                         Duration kill_after) {
  auto impl = std::make_unique<Impl>(deadline, kill_after);
  impl->start(command, signals, terminal);
  return Guardian(std::move(impl));
}

Guardian::Guardian(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}
Guardian::Guardian(Guardian&&) noexcept = default;

Guardian::~Guardian() {
  if (impl_) {
    impl_->abandon();
  }
}

int Guardian::fd() const {
  return impl_->fd();
}

std::optional<GuardianEvent> Guardian::next_event() {
  return impl_->next_event();
}

void Guardian::move_deadline(BootTime deadline) {
  impl_->move_deadline(deadline);
}

void Guardian::request_end(BootTime now, Duration kill_after) {
  impl_->request_end(now, kill_after);
}

std::optional<BootTime> Guardian::enforce(BootTime now) {
  return impl_->enforce(now);
}

void Guardian::dismiss() {
  impl_->dismiss();
}

void Guardian::dismiss_soon() {
  impl_->dismiss_soon();
}

pid_t Guardian::pid() const {
  return impl_->pid();
}

std::vector<ProcessInfo> Guardian::survivors() {
  return impl_->survivors();
}

}  // namespace lockgate
