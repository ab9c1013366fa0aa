// SPDX-License-Identifier: Apache-2.0
// The two clocks. Everything that decides is counted on the boot clock, which goes on during suspend
// and does not jump; the wall clock is for showing times to people and for seeding fencing tokens.
// What decides takes `now` as an argument, so that tests turn the clock by hand.
#pragma once

#include <chrono>
#include <string>

namespace lockgate {

using Duration = std::chrono::nanoseconds;

/// CLOCK_BOOTTIME.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

using BootTime = BootClock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

WallTime wall_now();

/// RFC 3339 in UTC with milliseconds: 2026-03-01T12:00:00.250Z
std::string rfc3339(WallTime time);

/// Milliseconds for poll(): rounded up, so that a caller never wakes just before `until` and spins; 0 if it has passed.
int poll_timeout(BootTime until, BootTime now);

}  // namespace lockgate
