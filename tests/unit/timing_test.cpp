// SPDX-License-Identifier: Apache-2.0
// The arithmetic of leases, over a table of lengths.
#include "core/timing.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/error.hpp"

using namespace std::chrono_literals;
using lockgate::BootTime;
using lockgate::Duration;
using lockgate::Error;
using lockgate::ExitCode;
using lockgate::Lease;
using lockgate::Timing;

namespace {

/// Within 5 ms.
bool near(Duration a, Duration b) {
  return a - b < 5ms && b - a < 5ms;
}

std::string complaint(Duration ttl, Duration kill_after) {
  try {
    (void)Timing::of(ttl, kill_after);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("each lease is renewed at a third of it, and leaves its command as much time to end as it can") {
  struct Row {
    Duration ttl, renew_every, attempt, kill_after, margin;
  };
  for (const Row& row :
       {Row{2s, 667ms, 333ms, 460ms, 540ms}, Row{3s, 1s, 500ms, 940ms, 560ms}, Row{5s, 1667ms, 833ms, 1667ms, 600ms},
        Row{9s, 3s, 1500ms, 3s, 680ms}, Row{10s, 3333ms, 1667ms, 3333ms, 700ms}, Row{15s, 5s, 2500ms, 4s, 800ms},
        Row{30s, 10s, 5s, 4s, 1100ms}, Row{60s, 20s, 10s, 4s, 1700ms}, Row{3600s, 1200s, 600s, 4s, 72500ms}}) {
    CAPTURE(row.ttl.count());
    const Timing timing = Timing::of(row.ttl, std::nullopt);
    CHECK(near(timing.renew_every, row.renew_every));
    CHECK(near(timing.attempt, row.attempt));
    CHECK(near(timing.kill_after, row.kill_after));
    CHECK(near(timing.margin, row.margin));
  }
}

TEST_CASE("a failed renewal, TERM, KILL and the margin fit into every lease, one after the other") {
  for (Duration ttl = 2s; ttl <= 1h; ttl += ttl < 1min ? Duration(10ms) : Duration(1s)) {
    const Timing timing = Timing::of(ttl, std::nullopt);
    const Lease lease{ttl, BootTime(1000s)};
    REQUIRE(timing.kill_after > 0s);
    REQUIRE(timing.renew_every + timing.attempt + timing.kill_after + timing.margin <= ttl);
    REQUIRE(timing.margin >= 500ms + ttl / 50);
    REQUIRE(timing.kill_at(lease) == lease.counted_from + ttl - timing.margin);
    REQUIRE(timing.term_at(lease) == timing.kill_at(lease) - timing.kill_after);
  }
}

TEST_CASE("a kill-after that cannot be safe is refused, and the longest one is named") {
  CHECK(complaint(10s, 5s) == "--kill-after 5s is too long for a lease of 10s: at most 4.3s");
  CHECK(complaint(2s, 4s) == "--kill-after 4s is too long for a lease of 2s: at most 0.46s");
  CHECK(complaint(9s, 4s) == "--kill-after 4s is too long for a lease of 9s: at most 3.82s");
  CHECK(complaint(10s, 4300ms).empty());
  CHECK(complaint(2s, 460ms).empty());
  CHECK(complaint(1h, 20min).empty());
}

TEST_CASE("a lease that is too short to be renewed in time is refused") {
  CHECK(complaint(1s, 0s) == "a lease of 1s is too short to be renewed in time");
  CHECK(complaint(0s, 0s) == "a lease of 0ms is too short to be renewed in time");
}

TEST_CASE("where nothing is to be ended, the lock counts as held up to the margin") {
  const Timing timing = Timing::of(15s, 0s);
  const Lease lease{15s, BootTime(100s)};
  CHECK(timing.term_at(lease) == timing.kill_at(lease));
}

TEST_CASE("a store that gives less than was asked for is believed, one that gives more is not") {
  const Timing timing = Timing::of(15s, std::nullopt);
  const BootTime sent(100s);
  CHECK(timing.kill_at({9s, sent}) == sent + 9s - 800ms);
  CHECK(timing.kill_at({1h, sent}) == sent + 15s - 800ms);
}

TEST_CASE("a command is not started where it would be ended at once") {
  const Timing timing = Timing::of(15s, std::nullopt);
  const Lease lease{15s, BootTime(100s)};
  CHECK(timing.allows_start(lease, BootTime(110s)));
  CHECK_FALSE(timing.allows_start(lease, BootTime(110200ms)));
}
