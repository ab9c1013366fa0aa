// SPDX-License-Identifier: Apache-2.0
#include "backends/file/kernel_wait.hpp"

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "core/error.hpp"

namespace lockgate::file {
namespace {

/// Nothing sends this one by accident, and its default action never comes to bear: a handler is set, and only the
/// waiting thread takes it.
int interrupt_signal() {
  return SIGRTMIN;
}

void set_interrupt_mask(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, interrupt_signal());
  pthread_sigmask(how, &set, nullptr);
}

BootTime to_time(BootTime::rep count) {
  return BootTime(Duration(count));
}

}  // namespace

KernelWait::KernelWait(Waiting& waiting, Hooks hooks)
    : waiting_(waiting), hooks_(std::move(hooks)), waiter_(pthread_self()), control_(eventfd(0, EFD_CLOEXEC)) {
  if (!control_) {
    throw Error(ExitCode::internal, "cannot make an eventfd: " + errno_text(errno));
  }
  struct sigaction action {};
  action.sa_handler = [](int) {};  // no SA_RESTART: flock(2) is to come back with EINTR
  sigaction(interrupt_signal(), &action, nullptr);
  // A second heap for the attendant's few bytes would be made in the very moment in which the lock is had.
  mallopt(M_ARENA_MAX, 1);
  waiting_.begin(BootClock::now());
  waiting_fd_ = waiting_.fd();
  attendant_ = std::jthread([this] { attend(); });  // inherits the full mask
  set_interrupt_mask(SIG_UNBLOCK);
}

KernelWait::~KernelWait() {
  finish();
  eventfd_write(control_.get(), 1);
  attendant_.join();
}

void KernelWait::finish() {
  const std::lock_guard lock(mutex_);
  if (!finished_.exchange(true)) {
    set_interrupt_mask(SIG_BLOCK);
    if (announced_) {
      eventfd_write(control_.get(), 1);
    }  // else it has nothing to do: it would only be in the way of the command
  }
}

int KernelWait::lock(int fd, int operation) {
  const int error = block([=] { return flock(fd, operation) == 0 ? 0 : errno; }, std::nullopt);
  // Between the last look of the kernel and ours it may have become free: it is ours by right.
  return error == EINTR && flock(fd, operation | LOCK_NB) == 0 ? 0 : error;
}

int KernelWait::block(const std::function<int()>& call, std::optional<BootTime> until) {
  interrupt_ = verdict_ != WaitVerdict::go_on;
  until_ = until ? until->time_since_epoch().count() : kNever;
  blocked_ = true;
  if (until) {
    eventfd_write(control_.get(), 1);
  }
  int error = EINTR;
  while (!interrupt_ && error == EINTR) {
    error = call();
  }
  blocked_ = false;
  until_ = kNever;
  return error;
}

void KernelWait::interrupt() {
  interrupt_ = true;
  // The signal may come before the waiter is in the system call, where it does nothing: so again, until it is out.
  while (blocked_ && !finished_) {
    pthread_kill(waiter_, interrupt_signal());
    poll(nullptr, 0, 2);
  }
}

std::optional<BootTime> KernelWait::next_wake(BootTime announce_at) {
  const std::lock_guard lock(mutex_);
  if (finished_) {
    return BootTime();
  }
  BootTime wake = to_time(until_);
  if (!announced_) {
    wake = std::min(wake, announce_at);
  }
  if (const auto event = waiting_.next_event()) {
    wake = std::min(wake, *event);
  }
  return wake == to_time(kNever) ? std::nullopt : std::optional(wake);
}

void KernelWait::attend() {
  const BootTime announce_at = BootClock::now() + kAnnounceAfter;
  std::array<pollfd, 2> fds = {{{control_.get(), POLLIN, 0}, {waiting_fd_, POLLIN, 0}}};
  while (!finished_ && verdict_ == WaitVerdict::go_on) {
    const auto wake = next_wake(announce_at);
    poll(fds.data(), fds.size(), wake ? poll_timeout(*wake, BootClock::now()) : -1);
    if ((fds[0].revents & POLLIN) != 0) {
      eventfd_t ignored = 0;
      eventfd_read(control_.get(), &ignored);
    }
    const std::lock_guard lock(mutex_);
    if (!finished_) {
      attend_once(announce_at);
    }
  }
  if (announced_) {
    hooks_.farewell();
  }
}

void KernelWait::attend_once(BootTime announce_at) {
  const BootTime now = BootClock::now();
  if (!announced_ && now >= announce_at) {
    announced_ = true;
    hooks_.announce();
  }
  const WaitVerdict verdict = waiting_.attend(now);
  if (verdict == WaitVerdict::suspend) {
    hooks_.before_suspend();
    waiting_.suspend();
  } else if (verdict != WaitVerdict::go_on) {
    verdict_ = verdict;
    interrupt();
  } else if (now >= to_time(until_)) {
    interrupt();
  }
}

}  // namespace lockgate::file
