// SPDX-License-Identifier: Apache-2.0
// lockgate renew: another TTL for a hold, wherever it was taken; with --keep, again and again.
#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cerrno>

#include "cli/session.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/lost_event.hpp"
#include "core/renewer.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kPatience{5};

std::string until_when(const Lease& lease) {
  if (lease.ttl == Duration::max()) {
    return "it has no lease, and lasts for as long as its holder lives";
  }
  const Duration left = lease.counted_from + lease.ttl - BootClock::now();
  const WallTime until = wall_now() + std::chrono::duration_cast<std::chrono::microseconds>(left);
  return fmt::format("renewed until {}, for {}", rfc3339(until), format_duration(lease.ttl));
}

void say_renewed(const Session& session, const Grant& grant, const Lease& lease) {
  session.log.verbose(fmt::format("{}: {}", where(session, grant.name), until_when(lease)));
}

int report_gone(const Session& session, const Grant& grant, const std::string& why) {
  session.log.error(
      fmt::format("the hold of {} is gone{}", where(session, grant.name), why.empty() ? "" : ": " + printable(why)));
  return to_int(ExitCode::lost);
}

Renewal renew_once(Session& session, const Grant& grant, const UniqueFd& signals) {
  try {
    return session.backend->renew(grant, {.give_up = BootClock::now() + kPatience, .stop = signals.get()});
  } catch (const Error&) {
    if (const auto number = Signals::next(signals)) {
      die_of(*number);  // it was called off
    }
    throw;
  }
}

/// Returns when the hold is gone; a signal ends the process.
int keep_renewing(Session& session, const Grant& grant, const Lease& lease, const UniqueFd& signals) {
  if (lease.ttl == Duration::max()) {
    throw Error(ExitCode::usage, fmt::format("--keep renews a lease, and {} has none", where(session, grant.name)),
                "its holder keeps it for as long as it lives");
  }
  LostEvent lost;
  Renewer renewer(
      Timing::of(lease.ttl, Duration::zero()), lease,
      [&](const Attempt& attempt) { return session.backend->renew(grant, attempt); },
      [&](const Lease& renewed) { say_renewed(session, grant, renewed); }, lost);
  std::array<pollfd, 2> fds = {{{signals.get(), POLLIN, 0}, {lost.fd(), POLLIN, 0}}};
  while (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  renewer.stop();
  if (const auto why = lost.reason()) {
    return report_gone(session, grant, *why);
  }
  die_of(Signals::next(signals).value_or(SIGTERM));
}

}  // namespace

int run_renew(Session& session) {
  if (session.flags().keep) {
    let_keyboard_stop();
  }
  const UniqueFd signals = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
  const Grant grant{.name = LockName(session.line.names.at(0)), .handle = session.flags().handle.value(), .lease = {}};
  const Renewal renewal = renew_once(session, grant, signals);
  if (renewal.result == Renewal::Result::lost) {
    return report_gone(session, grant, renewal.why);
  }
  say_renewed(session, grant, renewal.lease);
  return session.flags().keep ? keep_renewing(session, grant, renewal.lease, signals) : to_int(ExitCode::done);
}

}  // namespace lockgate
