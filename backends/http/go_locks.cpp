// SPDX-License-Identifier: Apache-2.0
#include "backends/http/go_locks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/duration.hpp"
#include "core/handle.hpp"
#include "core/text.hpp"

namespace lockgate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Between two questions, chosen by chance.
constexpr milliseconds kLeastPoll{300};
constexpr milliseconds kMostPoll{600};
/// Some servers park the request: the longest that is waited for.
constexpr seconds kLongestPark{40};
constexpr seconds kLastWords{1};
/// A grant that took longer to come may be anything by now.
constexpr seconds kFresh{1};

Setback in_its_words(const LockServer& server, const std::string& what, const std::string& error) {
  return {
      Error(ExitCode::unavailable, fmt::format("{} cannot {}: {}", server.url(), what, quote(error.substr(0, 300)))),
      {},
      Setback::Sent::answered};
}

}  // namespace

std::variant<GoLocks::Answered, Setback> GoLocks::post(const std::string& what, std::string body, const HttpWait& wait,
                                                       const Decode& decode) {
  // Without request ids the server cannot tell a repeated request from another one; a renewal may come twice.
  const HttpCall call{
      .method = "POST",
      .path = "/" + what,
      .body = std::move(body),
      .unanswered = what == "renew-lease" ? HttpCall::Unanswered::send_again : HttpCall::Unanswered::fail};
  Asked asked = server_.ask_go(client_, call, wait);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  try {
    return Answered{decode(answer.body), answer.sent};
  } catch (const NotUnderstood& flaw) {
    throw server_.not_understood(call, answer, flaw.why);
  }
}

std::variant<Grant, Busy> GoLocks::acquire(const Request& request, Waiting& waiting) {
  if (request.ttl_was_said && request.ttl != go::kNominalTtl) {
    throw Error(ExitCode::usage,
                fmt::format("{} speaks the protocol of the Go library, whose leases are all {} long; {} was asked for",
                            server_.url(), format_duration(go::kNominalTtl), format_duration(request.ttl)),
                "leave the TTL out, or have a lockgate server");
  }
  AcquireWait wait(waiting);
  // A try with an id would leave a place in the queue, in which nobody stands.
  const std::string id = wait.nonblocking() ? "" : request.acquirer_id.empty() ? new_handle() : request.acquirer_id;
  while (true) {
    const BootTime begin = BootClock::now();
    if (auto grant = ask(request, id, wait)) {
      return *std::move(grant);
    }
    if (wait.nonblocking() && wait.in_contact()) {
      return Busy{Busy::Why::held, ""};
    }
    if (wait.verdict() == WaitVerdict::go_on && wait.in_contact()) {
      wait.pause(between(kLeastPoll, kMostPoll) - (BootClock::now() - begin));
    }
    if (auto end = heed_verdict(request, id, wait)) {
      return *std::move(end);
    }
  }
}

/// One request. Empty: not had; the wait knows of setbacks and of its end.
std::optional<Grant> GoLocks::ask(const Request& request, const std::string& id, AcquireWait& wait) {
  try {
    const auto usually = wait.in_contact() ? kLongestPark : AcquireWait::kContact;
    // A request that is cut off may yet be granted, and nobody could give that back: so it is left a second.
    const HttpWait patient = wait.listen(wait.give_up(usually), kLastWords);
    auto asked = post("acquire", go::acquire_body(request, id), patient,
                      [&](std::string_view body) { return go::decode_acquire(body, request.name.text()); });
    if (const auto* setback = std::get_if<Setback>(&asked)) {
      wait.suffer(*setback);
      return std::nullopt;
    }
    const auto& [answer, sent] = std::get<Answered>(asked);
    if (answer.said == go::Said::done) {
      wait.contacted();
      return take(request, answer.handle, sent, wait);
    }
    if (answer.said == go::Said::other) {
      // The texts of its store, "conflict" among them: what they mean to it, only it knows.
      wait.suffer(in_its_words(server_, "take the lock", answer.error));
      return std::nullopt;
    }
    wait.contacted();  // "lock already leased" and "no existing lock lease found": it changed under the server's eyes
  } catch (const HttpStopped&) {
    // heed_verdict() says what now
  }
  return std::nullopt;
}

std::optional<Grant> GoLocks::take(const Request& request, const std::string& handle, BootTime sent,
                                   AcquireWait& wait) {
  const bool wanted = wait.verdict() == WaitVerdict::go_on || wait.verdict() == WaitVerdict::timed_out;
  Grant grant{.name = request.name,
              .mode = request.mode,
              .handle = handle,
              .token = 0,
              .lifeline = -1,
              .lease = Lease{go::kTtl, sent}};
  if (wanted && BootClock::now() - sent < kFresh) {
    return grant;
  }
  if (wanted) {
    const auto asked = renew(request.name, handle, {.give_up = BootClock::now() + kLastWords});
    if (const auto* renewal = std::get_if<Renewal>(&asked); renewal && renewal->result == Renewal::Result::renewed) {
      grant.lease = renewal->lease;
      return grant;
    }
  }
  give_back(request.name, handle);
  return std::nullopt;
}

/// As far as that can be had; else it ends with its lease.
void GoLocks::give_back(const LockName& name, const std::string& handle) {
  try {
    static_cast<void>(release(name, handle, TriedBefore::no, {.give_up = BootClock::now() + kLastWords}));
  } catch (const Error&) {
    return;
  }
}

std::optional<std::variant<Grant, Busy>> GoLocks::heed_verdict(const Request& request, const std::string& id,
                                                               AcquireWait& wait) {
  switch (wait.verdict()) {
    case WaitVerdict::go_on:
      break;
    case WaitVerdict::timed_out:
      if (wait.last_setback()) {
        throw wait.last_setback()->error;
      }
      if (auto grant = last_try(request, id, wait)) {
        return *std::move(grant);
      }
      return Busy{Busy::Why::timed_out, ""};
    case WaitVerdict::cancelled:
      throw wait.cancellation();
    case WaitVerdict::suspend:
      wait.suspend();
      break;
  }
  return std::nullopt;
}

std::optional<Grant> GoLocks::last_try(const Request& request, const std::string& id, AcquireWait& wait) {
  auto asked = post("acquire", go::acquire_body(request, id), {.give_up = BootClock::now() + kLastWords},
                    [&](std::string_view body) { return go::decode_acquire(body, request.name.text()); });
  if (const auto* setback = std::get_if<Setback>(&asked)) {
    throw setback->error;
  }
  const auto& [answer, sent] = std::get<Answered>(asked);
  return answer.said == go::Said::done ? take(request, answer.handle, sent, wait) : std::nullopt;
}

std::variant<Renewal, Setback> GoLocks::renew(const LockName& name, const std::string& handle, const HttpWait& wait) {
  auto asked = post("renew-lease", go::handle_body(name.text(), handle), wait, go::decode_done);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& [answer, sent] = std::get<Answered>(asked);
  switch (answer.said) {
    case go::Said::done:
      return Renewal{Renewal::Result::renewed, {go::kTtl, sent}, ""};
    case go::Said::already_leased:
      return Renewal{Renewal::Result::lost, {}, "another has taken it over"};
    case go::Said::no_lease:
      return Renewal{Renewal::Result::lost, {}, "the server does not know it any more"};
    default:
      return in_its_words(server_, "renew the lease", answer.error);
  }
}

std::variant<Released, Setback> GoLocks::release(const LockName& name, const std::string& handle, TriedBefore tried,
                                                 const HttpWait& wait) {
  auto asked = post("release", go::handle_body(name.text(), handle), wait, go::decode_done);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<Answered>(asked).answer;
  switch (answer.said) {
    case go::Said::done:
      return Released::done;
    case go::Said::already_leased:
      return Released::was_lost;
    case go::Said::no_lease:
      return tried == TriedBefore::perhaps ? Released::done : Released::was_lost;
    default:
      return in_its_words(server_, "release the lock", answer.error);
  }
}

}  // namespace lockgate::http
