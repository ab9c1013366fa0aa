// SPDX-License-Identifier: Apache-2.0
#include "backends/http/acquire_wait.hpp"

#include <poll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include "core/unique_fd.hpp"

namespace lockgate::http {
namespace {

// Whoever gives up so much later than was to be did not run meanwhile: it was stopped, or the machine was.
constexpr std::chrono::seconds kLate{1};

/// Readable at `until`, on the boot clock: the timeout of poll(2) stands still while the machine is suspended.
UniqueFd alarm_at(BootTime until) {
  UniqueFd timer(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto count = std::max<std::int64_t>(until.time_since_epoch().count(), 1);
  itimerspec spec{};
  spec.it_value = {count / 1'000'000'000, count % 1'000'000'000};
  if (!timer || ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &spec, nullptr) != 0) {
    throw Error(ExitCode::internal, "cannot make a timer: " + errno_text(errno));
  }
  return timer;
}

}  // namespace

Duration between(Duration least, Duration most) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return Duration(std::uniform_int_distribution<Duration::rep>(least.count(), most.count())(random));
}

Duration Backoff::next() {
  const Duration pause = between(ceiling_ / 2, ceiling_);
  ceiling_ = std::min<Duration>(ceiling_ * 2, kLongest);
  return pause;
}

AcquireWait::AcquireWait(Waiting& waiting)
    : waiting_(waiting), nonblocking_(waiting.nonblocking()), contact_by_(BootClock::now() + first_contact()) {
  if (!nonblocking_) {
    waiting_.begin(BootClock::now());
  }
}

void AcquireWait::attend() {
  const WaitVerdict heard = waiting_.attend(BootClock::now());
  if (verdict_ == WaitVerdict::go_on) {
    verdict_ = heard;
  }
}

HttpWait AcquireWait::listen(BootTime give_up, Duration patience) {
  HttpWait wait{.give_up = give_up};
  if (nonblocking_ || verdict_ != WaitVerdict::go_on) {
    return wait;  // there is nothing more to listen to
  }
  cut_off_.reset();
  wait.attend_fd = waiting_.fd();
  wait.attend_at = [this] { return cut_off_ ? cut_off_ : waiting_.next_event(); };
  wait.attend = [this, patience] {
    attend();
    if (verdict_ != WaitVerdict::go_on && !cut_off_) {
      cut_off_ = BootClock::now() + patience;
    }
    return !cut_off_ || BootClock::now() < *cut_off_;
  };
  return wait;
}

void AcquireWait::pause(Duration duration) {
  const BootTime until = BootClock::now() + duration;
  while (BootClock::now() < until && verdict_ == WaitVerdict::go_on) {
    const auto event = nonblocking_ ? std::nullopt : waiting_.next_event();
    const UniqueFd alarm = alarm_at(event ? std::min(*event, until) : until);
    std::array<pollfd, 2> fds{{{alarm.get(), POLLIN, 0}, {nonblocking_ ? -1 : waiting_.fd(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    if (!nonblocking_) {
      attend();
    }
  }
}

void AcquireWait::nap(Duration duration) {
  const UniqueFd alarm = alarm_at(BootClock::now() + duration);
  pollfd entry{alarm.get(), POLLIN, 0};
  ::poll(&entry, 1, -1);
}

void AcquireWait::contacted() {
  contacted_ = true;
  last_setback_.reset();
  backoff_.reset();
}

BootTime AcquireWait::give_up(Duration usually) {
  const BootTime now = BootClock::now();
  asked_until_ = now + usually;
  if (nonblocking_ || !contacted_) {
    asked_until_ = std::min(asked_until_, std::max(contact_by_, now + std::chrono::milliseconds(1)));
  }
  return asked_until_;
}

void AcquireWait::suffer(const Setback& setback) {
  last_setback_ = setback;
  const BootTime now = BootClock::now();
  if (now > asked_until_ + kLate) {
    contact_by_ = now + first_contact();  // this process stood still, which says nothing of the server
  }
  // Asked again, a server says what became of a request whose answer was lost; without waiting nothing else is worth
  // it.
  const bool worth_it = !nonblocking_ || setback.sent == Setback::Sent::perhaps;
  const bool in_time = (contacted_ && !nonblocking_) || now < contact_by_;
  if (!worth_it || !in_time) {
    throw setback.error;
  }
  Duration pause_for = std::max(backoff_.next(), setback.retry_after.value_or(Duration(0)));
  if (nonblocking_ || !contacted_) {
    pause_for = std::min<Duration>(pause_for, contact_by_ - now);
  }
  pause(pause_for);
}

void AcquireWait::suspend() {
  waiting_.suspend();
  verdict_ = WaitVerdict::go_on;
  contact_by_ = BootClock::now() + kContact;
}

}  // namespace lockgate::http
