// SPDX-License-Identifier: Apache-2.0
#include "core/renewer.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>

#include "core/boot_timer.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

using namespace std::chrono_literals;

// An answer that has less time than this comes too late on any network: then only the deadline is waited for.
constexpr Duration kShortestAttempt = 10ms;

/// The boot clock, on which neither a condition variable nor poll() can wait through a suspend: a timerfd can.
class RealClock : public RenewalClock {
 public:
  explicit RealClock(int stop) : stop_(stop) {}
  BootTime now() override { return BootClock::now(); }
  Woke wait_until(BootTime when) override {
    set_boot_timer(timer_, when);
    std::array<pollfd, 2> fds{{{timer_.get(), POLLIN, 0}, {stop_, POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
    }
    return fds[1].revents != 0 ? Woke::stopped : Woke::in_time;
  }
  [[nodiscard]] int stop_fd() const override { return stop_; }

 private:
  UniqueFd timer_ = open_boot_timer();
  int stop_;
};

UniqueFd open_stop_event() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) {
    throw Error(ExitCode::internal, "cannot make an eventfd: " + errno_text(errno));
  }
  return fd;
}

Duration first_pause(const Timing& timing) {
  return timing.ttl / 100;
}

}  // namespace

LeaseLife::LeaseLife(const Timing& timing, const Lease& lease, RenewOnce renew, OnRenewed on_renewed)
    : timing_(timing),
      renew_(std::move(renew)),
      on_renewed_(std::move(on_renewed)),
      pause_(first_pause(timing)),
      random_(static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count()) ^
              (static_cast<std::uint64_t>(::getpid()) << 32U)) {
  take(lease);
}

void LeaseLife::take(const Lease& lease) {
  lease_ = lease;
  due_ = lease.counted_from + std::min(timing_.renew_every, lease.ttl / 3);
  pause_ = first_pause(timing_);
  last_error_.clear();
}

std::optional<std::string> LeaseLife::run(RenewalClock& clock) {
  while (true) {
    const auto woke = clock.wait_until(std::min(due_, deadline()));
    const BootTime now = clock.now();
    if (now >= deadline()) {
      return missed();  // before anything else: also where this process was stopped in between, or is to stop
    }
    if (woke == RenewalClock::Woke::stopped) {
      return std::nullopt;
    }
    if (now >= due_ && attempt(clock) == Verdict::lost) {
      return clear_no_;
    }
  }
}

LeaseLife::Verdict LeaseLife::attempt(RenewalClock& clock) {
  const BootTime now = clock.now();
  const Duration time = std::min(timing_.attempt, (deadline() - now) / 2);
  if (time < kShortestAttempt) {
    due_ = deadline();
    return Verdict::go_on;
  }
  try {
    const Renewal renewal = renew_({.give_up = now + time, .stop = clock.stop_fd()});
    if (renewal.result == Renewal::Result::lost) {
      clear_no_ = renewal.why.empty() ? "the hold is gone" : renewal.why;
      return Verdict::lost;
    }
    if (clock.now() < deadline()) {
      take(renewal.lease);
      on_renewed_(lease_);
    } else {
      last_error_ = "the answer came too late";
    }
  } catch (const std::exception& error) {
    retry_later(clock.now(), error.what());
  } catch (...) {
    retry_later(clock.now(), "the request was broken off");
  }
  return Verdict::go_on;
}

/// With jitter: when a server comes back, not all of its clients are to be there in the same moment.
void LeaseLife::retry_later(BootTime now, const std::string& error) {
  last_error_ = error;
  random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
  const auto tenths = static_cast<int>((random_ >> 33U) % 6);
  due_ = now + pause_ / 2 + pause_ / 10 * tenths;
  pause_ = std::min(pause_ * 2, timing_.ttl / 15);
}

std::string LeaseLife::missed() const {
  return "not renewed in time: " +
         (last_error_.empty() ? "lockgate was stopped, or the machine was suspended" : last_error_);
}

Renewer::Renewer(const Timing& timing, const Lease& lease, RenewOnce renew, OnRenewed on_renewed, LostEvent& lost)
    : stop_(open_stop_event()),
      life_(
          timing, lease, [this, renew = std::move(renew)](const Attempt& attempt) { return ask(renew, attempt); },
          std::move(on_renewed)),
      thread_([this, &lost] { work(lost); }) {
}

Renewer::~Renewer() {
  stop();
}

void Renewer::stop() {
  if (thread_.joinable()) {
    wake();
    thread_.join();
  }
}

void Renewer::send_no_more() {
  wake();
  if (const std::unique_lock lock(asking_, std::try_to_lock); lock.owns_lock()) {
    is_over_ = true;
    return;
  }
  stop();
}

void Renewer::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
}

Renewal Renewer::ask(const RenewOnce& renew, const Attempt& attempt) {
  const std::lock_guard lock(asking_);
  if (is_over_) {
    throw Error(ExitCode::unavailable, "nothing is renewed any more");
  }
  return renew(attempt);
}

void Renewer::work(LostEvent& lost) {
  try {
    RealClock clock(stop_.get());
    if (auto why = life_.run(clock)) {
      lost.raise(std::move(*why));
    }
  } catch (const std::exception& error) {
    lost.raise(std::string("it cannot be renewed: ") + error.what());
  }
}

}  // namespace lockgate
