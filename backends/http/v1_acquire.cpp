// SPDX-License-Identifier: Apache-2.0
#include "backends/http/v1_acquire.hpp"

#include <algorithm>
#include <utility>

#include "core/handle.hpp"

namespace lockgate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How long a request is parked at the server. The first one is short: that it is answered at all is to be known within
/// AcquireWait::kContact.
constexpr milliseconds kFirstPark{2500};
constexpr milliseconds kPark{30'000};
/// What an answer may take beyond that.
constexpr seconds kSlack{10};
/// For what is to be tidied up when nobody waits any more.
constexpr seconds kLastWords{1};
/// A grant that took longer to come may be anything by now.
constexpr seconds kFresh{1};
constexpr seconds kLongestGraceRest{2};

HttpWait until(BootTime give_up) {
  return {.give_up = give_up};
}

}  // namespace

V1Acquire::V1Acquire(LockServer& server, HttpClient& client, const Request& request, Waiting& waiting,
                     const Myself& myself)
    : server_(server, client), request_(request), myself_(myself), wait_(waiting) {
  wish_.acquirer_id = request.acquirer_id.empty() ? new_handle() : request.acquirer_id;
  begin_wish();
}

void V1Acquire::begin_wish() {
  wish_.request_id = new_handle();
  standing_ = Standing::unknown_to_server;
}

std::variant<Grant, Busy> V1Acquire::run() {
  try {
    while (true) {
      const milliseconds park = wait_.nonblocking() ? milliseconds(0) : wait_.in_contact() ? kPark : kFirstPark;
      if (auto grant = ask(park)) {
        return *std::move(grant);
      }
      if (wait_.nonblocking() && standing_ == Standing::queued) {
        return Busy{Busy::Why::held, last_answer_.note};
      }
      if (auto end = heed_verdict()) {
        return *std::move(end);
      }
    }
  } catch (const Error&) {
    settle();
    throw;
  }
}

/// One request, and what follows from its answer. Empty: not had; standing_, verdict and setbacks say why.
std::optional<Grant> V1Acquire::ask(milliseconds park) {
  const Standing before = std::exchange(standing_, Standing::unsettled);
  wish_.wait = park;
  const BootTime begin = BootClock::now();
  try {
    const auto usually = wait_.in_contact() ? Duration(park + kSlack) : Duration(AcquireWait::kContact);
    auto asked = server_.acquire(request_, wish_, myself_, wait_.listen(wait_.give_up(usually)));
    if (const auto* setback = std::get_if<Setback>(&asked)) {
      standing_ = setback->sent == Setback::Sent::perhaps ? Standing::unsettled : before;
      wait_.suffer(*setback);
      return std::nullopt;
    }
    wait_.contacted();
    const auto& [sent, answer] = std::get<V1::Acquired>(asked);
    if (std::holds_alternative<V1::OverBefore>(answer)) {
      begin_anew();
      return std::nullopt;
    }
    begun_anew_ = false;
    if (const auto* granted = std::get_if<Granted>(&answer)) {
      return take(*granted, sent);
    }
    last_answer_ = std::get<MustWait>(answer);
    standing_ = Standing::queued;
    if (!last_answer_.note.empty() && !wait_.nonblocking()) {
      wait_.explain(last_answer_.note);
    }
    rest_if_early(BootClock::now() - begin, park);
  } catch (const HttpStopped&) {
    // heed_verdict() says what now
  } catch (const SpeaksGo&) {
    standing_ = Standing::unknown_to_server;
    throw;
  }
  return std::nullopt;
}

/// The answer that was lost was a grant, and its lease is over: that wish is spent. A new one cannot be.
void V1Acquire::begin_anew() {
  begin_wish();
  if (std::exchange(begun_anew_, true)) {
    throw Error(ExitCode::not_understood,
                "the lock server says of a request that it has never seen that it was granted",
                "is another program in between, which answers from memory?");
  }
}

/// A server that sends us away at once (another request took our place, it has just been started) is not to be asked
/// again at once.
void V1Acquire::rest_if_early(Duration took, Duration parked) {
  if (took >= parked / 2) {
    rest_.reset();
    return;
  }
  Duration rest = rest_.next();
  if (last_answer_.grace) {
    rest = std::max(rest, std::min<Duration>(*last_answer_.grace, kLongestGraceRest));
  }
  wait_.pause(rest);
}

std::optional<Grant> V1Acquire::take(const Granted& granted, BootTime sent) {
  Grant grant{.name = request_.name,
              .mode = request_.mode,
              .handle = granted.handle,
              .token = granted.token,
              .lifeline = -1,
              .lease = Lease{granted.ttl_left, sent}};
  const Duration age = BootClock::now() - sent;
  // An answer to a repeated request may be as old as the first one was.
  const bool whole = granted.ttl_left >= request_.ttl - request_.ttl / 10;
  if (!granted.waited && whole && age < kFresh && age < granted.ttl_left / 2) {
    return grant;
  }
  return confirm(grant);
}

/// Renews a hold that may have ended before its grant reached us. Empty: it is gone, or the wait is.
std::optional<Grant> V1Acquire::confirm(const Grant& grant) {
  const bool in_haste = wait_.nonblocking() || wait_.verdict() != WaitVerdict::go_on;
  // The latest it can end: that it counts from the sending is for who holds it. A request that was parked for longer
  // than a lease would else have its grant thrown away unasked, and the lock be held by nobody until it runs out.
  const BootTime lease_end = BootClock::now() + grant.lease->ttl;
  const BootTime end = in_haste ? std::min<BootTime>(lease_end, BootClock::now() + kLastWords) : lease_end;
  Backoff backoff;
  std::optional<Setback> failed;
  while (BootClock::now() < end) {
    const BootTime by = std::min<BootTime>(end, BootClock::now() + std::max<Duration>(request_.ttl / 6, kFresh));
    auto asked = server_.renew(grant, request_.ttl, wait_.listen(by));
    if (const auto* renewal = std::get_if<Renewal>(&asked)) {
      if (renewal->result == Renewal::Result::lost) {
        failed.reset();
        break;
      }
      if (BootClock::now() - renewal->lease.counted_from < renewal->lease.ttl / 2) {
        Grant confirmed = grant;
        confirmed.lease = renewal->lease;
        return confirmed;
      }
    } else {
      failed = std::get<Setback>(std::move(asked));
      AcquireWait::nap(backoff.next());
    }
  }
  if (failed && in_haste) {
    throw failed->error;
  }
  begin_wish();  // the old one would be answered with that hold again
  return std::nullopt;
}

std::optional<std::variant<Grant, Busy>> V1Acquire::heed_verdict() {
  switch (wait_.verdict()) {
    case WaitVerdict::go_on:
      break;
    case WaitVerdict::timed_out:
      return last_try();
    case WaitVerdict::cancelled:
      settle();
      throw wait_.cancellation();
    case WaitVerdict::suspend:
      settle();
      begin_wish();
      wait_.suspend();
      break;
  }
  return std::nullopt;
}

/// The time is over: it may have become free just now, or have been granted without our hearing of it.
std::variant<Grant, Busy> V1Acquire::last_try() {
  const auto& failed = wait_.last_setback();
  if (failed && failed->sent != Setback::Sent::perhaps) {
    throw failed->error;  // out of reach is another end than held by another
  }
  wish_.wait = milliseconds(0);
  const auto asked = server_.acquire(request_, wish_, myself_, until(BootClock::now() + kLastWords));
  if (const auto* setback = std::get_if<Setback>(&asked)) {
    throw setback->error;
  }
  const auto& [sent, answer] = std::get<V1::Acquired>(asked);
  if (std::holds_alternative<V1::OverBefore>(answer)) {
    begin_anew();
    return last_try();
  }
  standing_ = Standing::unsettled;
  if (const auto* granted = std::get_if<Granted>(&answer)) {
    if (auto grant = take(*granted, sent)) {
      return *std::move(grant);
    }
  } else {
    last_answer_ = std::get<MustWait>(answer);
    standing_ = Standing::queued;
    settle();
  }
  return Busy{Busy::Why::timed_out, last_answer_.note};
}

/// Leaves nothing of us behind, as far as that can be had in a second: no place in the queue, and no hold that was
/// granted without our hearing of it. What remains ends by itself: places after seconds, holds with their lease.
void V1Acquire::settle() {
  const BootTime end = BootClock::now() + kLastWords;
  Backoff backoff;
  while (standing_ != Standing::unknown_to_server && BootClock::now() < end) {
    try {
      settle_once(end);
    } catch (const Error& error) {
      if (error.code() != ExitCode::unavailable) {
        return;
      }
      AcquireWait::nap(backoff.next());
    } catch (const SpeaksGo&) {
      return;
    }
  }
}

void V1Acquire::settle_once(BootTime end) {
  if (standing_ == Standing::unsettled) {
    wish_.wait = milliseconds(0);
    auto asked = server_.acquire(request_, wish_, myself_, until(end));
    if (const auto* setback = std::get_if<Setback>(&asked)) {
      throw setback->error;
    }
    const auto& answer = std::get<V1::Acquired>(asked).answer;
    if (const auto* granted = std::get_if<Granted>(&answer)) {
      Grant grant{.name = request_.name, .mode = request_.mode, .handle = granted->handle, .lease = {}};
      const auto released = server_.release(grant, new_handle(), until(end));
      if (const auto* setback = std::get_if<Setback>(&released)) {
        throw setback->error;
      }
      begin_wish();
      return;
    }
    if (std::holds_alternative<V1::OverBefore>(answer)) {
      begin_wish();
      return;
    }
    standing_ = Standing::queued;
  }
  server_.leave(request_.name, wish_.acquirer_id, until(end));
  standing_ = Standing::unknown_to_server;
}

}  // namespace lockgate::http
