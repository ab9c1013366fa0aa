// SPDX-License-Identifier: Apache-2.0
#include "cli/leased.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace lockgate {
namespace {

constexpr int kTries = 3;

std::optional<Duration> wanted_kill_after(const Session& session) {
  if (!ends_what_uses_it(session)) {
    return Duration(0);  // up to the last moment the lock can still be kept
  }
  const auto& kill_after = session.settings.kill_after;
  return kill_after.origin == "default" ? std::nullopt : std::optional(kill_after.value);
}

/// A grant that has less than was asked for is either an old one (a repeated answer) or as much as the server ever
/// gives. One renewal tells. Empty where the hold is gone.
std::optional<Lease> confirmed(Session& session, const Grant& grant, const Timing& wanted) {
  if (grant.lease->ttl >= wanted.ttl) {
    return grant.lease;
  }
  try {
    const Renewal renewal = session.backend->renew(grant, {.give_up = BootClock::now() + wanted.attempt});
    return renewal.result == Renewal::Result::renewed ? std::optional(renewal.lease) : std::nullopt;
  } catch (const Error& error) {
    session.log.debug(fmt::format("the lease could not be confirmed: {}", error.what()));
    return grant.lease;  // it is what it is
  }
}

}  // namespace

bool has_leases(const Session& session) {
  return session.settings.kind.value != BackendKind::file;
}

bool ends_what_uses_it(const Session& session) {
  const bool has_user = session.line.command == CommandKind::exec || session.flags().owner_pid;
  return has_user && session.settings.on_lost.value != "continue";
}

Timing wanted_timing(const Session& session, const Request& request) {
  return Timing::of(request.ttl, wanted_kill_after(session));
}

std::variant<Leased, Busy> take_leased(Session& session, const Request& request, Waiting& waiting) {
  const Timing wanted = wanted_timing(session, request);
  for (int tries = 0; tries < kTries; ++tries) {
    auto result = session.backend->acquire(request, waiting);
    if (auto* busy = std::get_if<Busy>(&result)) {
      return std::move(*busy);
    }
    Grant& grant = std::get<Grant>(result);
    try {
      const auto lease = confirmed(session, grant, wanted);
      if (lease) {
        const Timing timing = Timing::of(std::min(wanted.ttl, lease->ttl), wanted_kill_after(session));
        if (timing.allows_start(*lease, BootClock::now())) {
          return Leased{std::move(grant), *lease, timing};
        }
      }
    } catch (const Error&) {
      release_quietly(session, grant);
      throw;
    }
    release_quietly(session, grant);
    session.log.verbose(fmt::format("{} was had too late: too little of its lease was left", request.name.quoted()));
  }
  throw Error(ExitCode::unavailable,
              fmt::format("{} was had {} times, each time so late that too little of its lease was left",
                          where(session, request.name), kTries),
              "is the network very slow, or this machine overloaded? A longer --ttl may help");
}

void release_quietly(Session& session, const Grant& grant) {
  try {
    [[maybe_unused]] const Released released = session.backend->release(grant);
  } catch (const Error& error) {
    session.log.debug(fmt::format("{} was not given back: {}", grant.name.quoted(), error.what()));
  }
}

}  // namespace lockgate
