// SPDX-License-Identifier: Apache-2.0
// How a connection waits. Its coroutine is suspended in one place only, suspend(), and resumed by the first event that
// it is interested in; what the loop was asked to watch stays asked for, and is not asked for again.
#include "backends/http/server/connection_events.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "backends/http/server/connection.hpp"

namespace lockgate::server {
namespace {

constexpr Duration kLongestSleep = std::chrono::seconds(1);
// One record of TLS: what OpenSSL has decrypted is taken whole, so that nothing is left that the kernel cannot tell of.
constexpr std::size_t kReadSize = std::size_t{16} * 1024;

asio::posix::descriptor_base::wait_type wait_type_for(unsigned event) {
  using Base = asio::posix::descriptor_base;
  return event == kReadable ? Base::wait_read : event == kWritable ? Base::wait_write : Base::wait_error;
}

}  // namespace

Duration BootWait::to_wait_duration(const Duration& left) {
  return std::min(left, kLongestSleep);
}

Duration BootWait::to_wait_duration(const BootTime& until) {
  return to_wait_duration(until - BootClock::now());
}

/// An event that has happened already would not resume it: callers look first.
asio::awaitable<void> Connection::suspend(unsigned interest) {
  interest_ = interest;
  asio::use_awaitable_t<> token;
  return asio::async_initiate<asio::use_awaitable_t<>, void()>(
      [this](auto&& resume) { resume_.emplace(std::forward<decltype(resume)>(resume)); }, token);
}

void Connection::happened(unsigned event) {
  events_ |= event;
  if (resume_ && is_over(interest_)) {
    Resume resume = std::move(*resume_);
    resume_.reset();
    resume();
  }
}

void Connection::owe_call() {
  ++pending_;
  ++world_.owed_calls;
}

/// One of the calls that the loop owed us. Nothing may be done after it: it may end the connection.
void Connection::call_came_back(unsigned event) {
  --pending_;
  --world_.owed_calls;
  happened(event | (pending_ == 0 ? kQuiet : 0));
}

void Connection::arm(unsigned event) {
  events_ &= ~event;
  if ((armed_ & event) != 0) {
    return;
  }
  descriptor_.async_wait(wait_type_for(event), [this, event](const boost::system::error_code&) {
    armed_ &= ~event;
    call_came_back(event);
  });
  armed_ |= event;
  owe_call();
}

/// The timer is set anew only if it would ring too late: most deadlines are never reached.
void Connection::set_deadline(BootTime deadline) {
  deadline_ = deadline;
  events_ &= ~kTimeout;
  if (deadline_ < timer_at_) {
    arm_timer();
  }
}

void Connection::arm_timer() {
  timer_.expires_at(deadline_);  // cancels what was armed
  timer_.async_wait([this](const boost::system::error_code& error) { timer_came(error ? Rang::no : Rang::yes); });
  timer_at_ = deadline_;
  owe_call();
}

void Connection::timer_came(Rang rang) {
  unsigned event = 0;
  if (rang == Rang::yes && !closing_) {
    timer_at_ = BootTime::max();
    if (BootClock::now() >= deadline_) {
      event = kTimeout;
    } else if (deadline_ != BootTime::max()) {
      try {
        arm_timer();
      } catch (const std::exception&) {
        broken_ = true;
        event = kBroken;
      }
    }
  }
  call_came_back(event);
}

Moved::Outcome Connection::receive() {
  std::array<char, kReadSize> room;
  const Moved moved = channel_.receive(room);
  if (moved.outcome == Moved::Outcome::done) {
    input_.append(room.data(), moved.bytes);
  } else if (moved.outcome == Moved::Outcome::closed) {
    broken_ = true;
  }
  return moved.outcome;
}

asio::awaitable<bool> Connection::ready(Moved::Outcome what, BootTime deadline) {
  const unsigned event = what == Moved::Outcome::wait_readable ? kReadable : kWritable;
  set_deadline(deadline);
  arm(event);
  while (!is_over(event | kTimeout | kBroken)) {
    co_await suspend(event | kTimeout | kBroken);
  }
  co_return is_over(event) && !broken_;
}

asio::awaitable<Connection::Fed> Connection::more_bytes(BootTime deadline) {
  for (;;) {
    const Moved::Outcome outcome = receive();
    if (outcome == Moved::Outcome::done) {
      co_return Fed::bytes;
    }
    if (outcome == Moved::Outcome::closed || broken_) {
      co_return Fed::gone;
    }
    const bool going = co_await ready(outcome, deadline);
    if (!going) {
      co_return broken_ ? Fed::gone : Fed::too_late;
    }
  }
}

asio::awaitable<bool> Connection::send(std::string data) {
  const BootTime deadline = BootClock::now() + world_.options.limits.write_time;
  std::string_view rest = data;
  while (!rest.empty() && !broken_) {
    const Moved moved = channel_.send(rest);
    if (moved.outcome == Moved::Outcome::done) {
      rest.remove_prefix(moved.bytes);
      bytes_out_ += moved.bytes;
      continue;
    }
    bool going = moved.outcome != Moved::Outcome::closed;
    if (going) {
      going = co_await ready(moved.outcome, deadline);
    }
    broken_ = broken_ || !going;
  }
  co_return !broken_;
}

bool Connection::watch() {
  // The wait for "readable" is answered without cause now and then: only reading tells a hang-up from nothing.
  while (!broken_ && input_.size() < world_.options.limits.headers) {
    const Moved::Outcome outcome = receive();
    if (outcome == Moved::Outcome::closed) {
      return false;
    }
    if (outcome != Moved::Outcome::done) {
      arm(outcome == Moved::Outcome::wait_readable ? kReadable : kWritable);
      return true;
    }
  }
  // Requests were sent ahead, as many as are taken: they are left in the kernel, and a reset is all that is looked for.
  const bool dead = broken_ || channel_.is_dead();
  if (!dead && (events_ & kError) == 0) {
    arm(kError);
  }
  return !dead;
}

bool Connection::is_connected() {
  return !broken_ && watch();
}

/// Until the loop has no call for us any more.
asio::awaitable<void> Connection::close() {
  closing_ = true;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
  timer_.cancel();
  events_ &= ~kQuiet;
  while (pending_ != 0) {
    co_await suspend(kQuiet);
  }
}

void Connection::wake() {
  const bool is_new = !is_over(kWake);
  events_ |= kWake;
  if (is_new && resume_ && (interest_ & kWake) != 0) {
    // Not at once: whoever wakes is in the middle of something.
    asio::post(world_.loop, [this] { call_came_back(0); });
    owe_call();
  }
}

void Connection::stop() {
  happened(kStop);
}

void Connection::abort() {
  broken_ = true;
  asio::post(world_.loop, [this] { call_came_back(kBroken); });
  owe_call();
}

void Connection::let_go() {
  closing_ = true;
  broken_ = true;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
  timer_.cancel();
  resume_.reset();
}

}  // namespace lockgate::server
