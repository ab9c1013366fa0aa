// SPDX-License-Identifier: Apache-2.0
#include "core/timing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/duration.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongestDefaultKillAfter = 4s;
constexpr Duration kTimeToDie = 500ms;  // a fork bomb that gets KILL is not gone at once
constexpr int kDriftShare = 50;         // of the time counted, that two clocks may differ: 2 %

/// For a message: rounded down, so that what it says can be said back.
std::string down_to_hundredths(Duration duration) {
  return fmt::format("{:g}s", static_cast<double>(duration / 10ms) / 100);
}

}  // namespace

Timing Timing::of(Duration ttl, std::optional<Duration> kill_after) {
  Timing timing{.ttl = ttl,
                .renew_every = ttl / 3,
                .attempt = ttl / 6,
                .kill_after = Duration(0),
                .margin = kTimeToDie + ttl / kDriftShare};
  const Duration longest = ttl - timing.renew_every - timing.attempt - timing.margin;
  if (longest <= Duration(0)) {
    throw Error(ExitCode::usage, fmt::format("a lease of {} is too short to be renewed in time", format_duration(ttl)),
                "2s is the shortest");
  }
  timing.kill_after = kill_after.value_or(std::min({kLongestDefaultKillAfter, ttl / 3, longest}));
  if (timing.kill_after > longest) {
    throw Error(ExitCode::usage,
                fmt::format("--kill-after {} is too long for a lease of {}: at most {}",
                            format_duration(timing.kill_after), format_duration(ttl), down_to_hundredths(longest)),
                "the command has to be dead before the lease can be another's; a longer --ttl leaves more time");
  }
  return timing;
}

BootTime Timing::kill_at(const Lease& lease) const {
  return lease.counted_from + std::min(lease.ttl, ttl) - margin;
}

}  // namespace lockgate
