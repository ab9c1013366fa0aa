// SPDX-License-Identifier: Apache-2.0
#include "core/signals.hpp"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "core/error.hpp"

namespace lockgate {
namespace {

sigset_t set_of(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  return set;
}

bool stop(pid_t target, int number) {
  const sigset_t set = set_of({number});
  kill(target, number);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // here it stops, if it stops
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGCONT) == 1;
}

}  // namespace

Signals::Signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&all, fault);
  }
  pthread_sigmask(SIG_SETMASK, &all, &original_mask_);
  if (is_ignored(SIGCHLD)) {
    child_was_ignored_ = true;
    signal(SIGCHLD, SIG_DFL);
  }
}

UniqueFd Signals::open(std::initializer_list<int> numbers) {
  sigset_t set = set_of(numbers);
  for (const int number : numbers) {
    // A signal that is blocked becomes pending even where it is ignored. SIGCONT continues whether ignored or not.
    if (is_ignored(number) && number != SIGCONT) {
      sigdelset(&set, number);
    }
  }
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    throw Error(ExitCode::internal, "cannot make a signalfd: " + errno_text(errno));
  }
  return fd;
}

std::optional<int> Signals::next(const UniqueFd& fd) {
  signalfd_siginfo info{};
  if (read(fd.get(), &info, sizeof info) != sizeof info) {
    return std::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

void Signals::restore() const {
  if (child_was_ignored_) {
    signal(SIGCHLD, SIG_IGN);
  }
  sigprocmask(SIG_SETMASK, &original_mask_, nullptr);
}

bool is_ignored(int number) {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

bool stop_own_group(int number) {
  return stop(0, number);
}

bool stop_self(int number) {
  return stop(getpid(), number);
}

void let_keyboard_stop() {
  const sigset_t set = set_of({SIGTSTP});
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void continue_own_group() {
  const sigset_t set = set_of({SIGCONT});
  constexpr timespec kAtOnce{};
  kill(0, SIGCONT);
  sigtimedwait(&set, nullptr, &kAtOnce);
}

void die_of(int number) {
  prctl(PR_SET_DUMPABLE, 0);
  signal(number, SIG_DFL);
  const sigset_t set = set_of({number});
  raise(number);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  _exit(128 + number);
}

}  // namespace lockgate
