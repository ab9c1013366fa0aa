// SPDX-License-Identifier: Apache-2.0
// Renewing a lease: first with a clock turned by hand, then with the thread.
#include "core/renewer.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/error.hpp"

using namespace std::chrono_literals;
using lockgate::Attempt;
using lockgate::BootClock;
using lockgate::BootTime;
using lockgate::Duration;
using lockgate::Error;
using lockgate::ExitCode;
using lockgate::Lease;
using lockgate::LeaseLife;
using lockgate::LostEvent;
using lockgate::Renewal;
using lockgate::RenewalClock;
using lockgate::Renewer;
using lockgate::Timing;

namespace {

const BootTime kBegin(1000s);

/// Time that passes only while somebody waits, or when a test says so.
class FakeClock : public RenewalClock {
 public:
  BootTime now() override { return now_; }
  Woke wait_until(BootTime when) override {
    now_ = std::max(now_, when) + std::exchange(oversleep, Duration(0));
    return now_ >= stop_at ? Woke::stopped : Woke::in_time;
  }
  void pass(Duration time) { now_ += time; }

  BootTime stop_at = BootTime::max();
  Duration oversleep{};  // of the next wait: stopped, suspended

 private:
  BootTime now_ = kBegin;
};

Error unreachable() {
  return {ExitCode::unavailable, "no answer from the server"};
}

/// A store whose answers a test decides; notes when it was asked.
struct Play {
  explicit Play(Duration ttl) : timing(Timing::of(ttl, std::nullopt)) {}

  /// `answer` is called for each request, and lets time pass as it likes.
  std::optional<std::string> run(const std::function<Renewal(const Attempt&)>& answer) {
    LeaseLife life(
        timing, {timing.ttl, kBegin},
        [&](const Attempt& attempt) {
          asked.push_back(clock.now());
          patience.push_back(attempt.give_up - clock.now());
          return answer(attempt);
        },
        [&](const Lease& lease) { renewed.push_back(lease); });
    return life.run(clock);
  }
  [[nodiscard]] Renewal yes_now() { return {Renewal::Result::renewed, {timing.ttl, clock.now()}, ""}; }

  Timing timing;
  FakeClock clock;
  std::vector<BootTime> asked;
  std::vector<Duration> patience;
  std::vector<Lease> renewed;
};

}  // namespace

TEST_CASE("D6: a lease is renewed at every third of it, not at every second third") {
  Play play(15s);
  play.clock.stop_at = kBegin + 60s;
  CHECK_FALSE(play.run([&](const Attempt&) {
                    auto yes = play.yes_now();
                    play.clock.pass(300ms);  // on its way
                    return yes;
                  })
                  .has_value());
  REQUIRE(play.asked.size() == 11);
  for (std::size_t i = 0; i < play.asked.size(); ++i) {
    CHECK(play.asked[i] == kBegin + 5s * (i + 1));
  }
}

TEST_CASE("D5: whatever the error is, it counts: the lock is lost at the deadline, and the last error is named") {
  const std::vector<std::function<void()>> errors{
      [] { throw unreachable(); },
      [] { throw Error(ExitCode::not_allowed, "401"); },
      [] { throw Error(ExitCode::not_understood, "no JSON"); },
      [] { throw std::runtime_error("anything"); },
      [] { throw 5; },
  };
  for (const auto& error : errors) {
    Play play(15s);
    const auto why = play.run([&](const Attempt&) -> Renewal {
      error();
      return {};
    });
    REQUIRE(why.has_value());
    CHECK(why->starts_with("not renewed in time: "));
    CHECK(why->size() > std::string("not renewed in time: ").size());
    CHECK(play.clock.now() == kBegin + 10200ms);  // TERM comes then
    CHECK(play.asked.size() > 3);
    CHECK(play.renewed.empty());
  }
}

TEST_CASE("a server that does not answer is asked again and again, each time with less patience") {
  Play play(15s);
  const auto why = play.run([&](const Attempt& attempt) -> Renewal {
    play.clock.pass(attempt.give_up - play.clock.now());
    throw unreachable();
  });
  CHECK(why == "not renewed in time: no answer from the server");
  CHECK(play.asked.size() >= 3);
  for (std::size_t i = 0; i < play.asked.size(); ++i) {
    CHECK(play.patience[i] <= play.timing.attempt);
    CHECK(play.patience[i] <= (kBegin + 10200ms - play.asked[i]) / 2);
  }
}

TEST_CASE("a clear no is a loss at once, and what comes back says why") {
  Play play(15s);
  CHECK(play.run([&](const Attempt&) {
    return Renewal{Renewal::Result::lost, {}, "taken over by another"};
  }) == "taken over by another");
  CHECK(play.clock.now() == kBegin + 5s);
  CHECK(play.asked.size() == 1);
}

TEST_CASE("an error in between does no harm: the next try is soon, and counts from its own sending") {
  Play play(15s);
  play.clock.stop_at = kBegin + 12s;
  int errors = 2;
  CHECK_FALSE(play.run([&](const Attempt&) {
                    if (errors-- > 0) {
                      throw unreachable();
                    }
                    return play.yes_now();
                  })
                  .has_value());
  REQUIRE(play.asked.size() == 4);
  CHECK(play.asked[1] - play.asked[0] <= 150ms);
  CHECK(play.asked[2] - play.asked[1] <= 300ms);
  CHECK(play.asked[3] == play.asked[2] + 5s);
}

TEST_CASE("R1: the lease counts from the sending, however late the answer is") {
  Play play(15s);
  int answers = 0;
  const auto why = play.run([&](const Attempt&) {
    if (answers++ > 0) {
      throw unreachable();
    }
    auto yes = play.yes_now();
    play.clock.pass(5s);  // just in time
    return yes;
  });
  REQUIRE(why.has_value());
  CHECK(play.clock.now() == kBegin + 5s + 10200ms);
}

TEST_CASE("a yes that comes after the deadline is none: the command has been told to end") {
  Play play(15s);
  CHECK(play.run([&](const Attempt&) {
    auto yes = play.yes_now();
    play.clock.pass(6s);
    return yes;
  }) == "not renewed in time: the answer came too late");
  CHECK(play.renewed.empty());
}

TEST_CASE("F2: who was stopped past the deadline renews nothing when it goes on") {
  Play play(15s);
  play.clock.oversleep = 1h;
  CHECK(play.run([&](const Attempt&) { return play.yes_now(); }) ==
        "not renewed in time: lockgate was stopped, or the machine was suspended");
  CHECK(play.asked.empty());
}

TEST_CASE("a loss is told also to one who was just about to stop renewing") {
  Play play(15s);
  play.clock.oversleep = 1h;
  play.clock.stop_at = kBegin;
  CHECK(play.run([&](const Attempt&) { return play.yes_now(); }).has_value());
}

TEST_CASE("whatever happens, the lock is never believed to be held for longer than the store holds it") {
  std::mt19937 random(20260301);
  const auto milliseconds = [&](int from, int to) {
    return std::chrono::milliseconds(std::uniform_int_distribution<int>(from, to)(random));
  };
  int lost = 0;
  for (int round = 0; round < 10'000; ++round) {
    Play play(milliseconds(2000, 20'000));
    play.clock.stop_at = kBegin + 4 * play.timing.ttl;
    BootTime held_until = kBegin + play.timing.ttl;  // by the store's own count, which begins no earlier than ours
    const auto trouble = milliseconds(0, 100).count();
    std::vector<BootTime> believed{kBegin + play.timing.ttl - play.timing.margin};
    const auto why = play.run([&](const Attempt& attempt) -> Renewal {
      REQUIRE(attempt.give_up - play.clock.now() <= play.timing.ttl / 6);
      REQUIRE(play.clock.now() < believed.back());
      const auto sent = play.clock.now();
      play.clock.oversleep = milliseconds(0, 100).count() < 5 ? milliseconds(0, 30'000) : 0ms;
      play.clock.pass(milliseconds(0, static_cast<int>(play.timing.attempt / 1ms)));
      const bool arrives = milliseconds(0, 99).count() >= trouble;
      if (arrives && play.clock.now() < held_until) {
        held_until = play.clock.now() + play.timing.ttl;
      }
      play.clock.pass(milliseconds(0, 200));
      if (!arrives || milliseconds(0, 99).count() < trouble) {
        throw unreachable();  // the request or its answer was lost
      }
      believed.push_back(sent + play.timing.ttl - play.timing.margin);
      return {Renewal::Result::renewed, {play.timing.ttl, sent}, ""};
    });
    for (const Lease& lease : play.renewed) {
      REQUIRE(play.timing.kill_at(lease) < held_until);
    }
    lost += why ? 1 : 0;
    REQUIRE((why || play.clock.now() >= play.clock.stop_at));
    const BootTime last = play.renewed.empty() ? kBegin : play.renewed.back().counted_from;
    REQUIRE((!why || play.clock.now() >= last + play.timing.ttl - play.timing.margin - play.timing.kill_after));
  }
  CHECK(lost > 1000);
  CHECK(lost < 9900);
}

namespace {

bool is_raised(const LostEvent& lost, Duration patience) {
  pollfd readable{lost.fd(), POLLIN, 0};
  return ::poll(&readable, 1, static_cast<int>(patience / 1ms)) == 1;
}

}  // namespace

TEST_CASE("the news of a loss is told once, and the first reason stays") {
  LostEvent lost;
  CHECK_FALSE(is_raised(lost, 0s));
  CHECK_FALSE(lost.reason().has_value());
  lost.raise("first");
  lost.raise("second");
  CHECK(is_raised(lost, 0s));
  CHECK(is_raised(lost, 0s));
  CHECK(lost.reason() == "first");
}

TEST_CASE("the thread renews by itself, and tells of a loss") {
  const Timing timing = Timing::of(2s, std::nullopt);
  LostEvent lost;
  std::atomic<int> requests{0};
  std::atomic<int> renewals{0};
  const Renewer renewer(
      timing, {2s, BootClock::now() - 600ms},
      [&](const Attempt&) {
        return requests++ == 0 ? Renewal{Renewal::Result::renewed, {2s, BootClock::now() - 600ms}, ""}
                               : Renewal{Renewal::Result::lost, {}, "the server does not know it any more"};
      },
      [&](const Lease&) { ++renewals; }, lost);
  REQUIRE(is_raised(lost, 10s));
  CHECK(lost.reason() == "the server does not know it any more");
  CHECK(requests == 2);
  CHECK(renewals == 1);
}

TEST_CASE("D7: the thread stops at once, also in the middle of a request") {
  const Timing timing = Timing::of(1h, std::nullopt);
  LostEvent lost;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  {
    Renewer renewer(
        timing, {1h, BootClock::now() - 21min},
        [&](const Attempt& attempt) -> Renewal {
          (void)!::write(ends[1], "x", 1);
          pollfd stop{attempt.stop, POLLIN, 0};
          ::poll(&stop, 1, -1);
          throw unreachable();
        },
        [](const Lease&) {}, lost);
    char c = 0;
    REQUIRE(::read(ends[0], &c, 1) == 1);  // it is on its way
    const auto begin = BootClock::now();
    renewer.stop();
    CHECK(BootClock::now() - begin < 1s);
    renewer.stop();
  }
  CHECK_FALSE(lost.reason().has_value());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("between two requests nobody is waited for, and no other is sent") {
  const Timing timing = Timing::of(1h, std::nullopt);
  LostEvent lost;
  int renewed[2];
  int go_on[2];
  REQUIRE(::pipe(renewed) == 0);
  REQUIRE(::pipe(go_on) == 0);
  std::atomic<int> requests{0};
  {
    Renewer renewer(
        timing, {1h, BootClock::now() - 21min},
        [&](const Attempt&) {
          ++requests;
          return Renewal{Renewal::Result::renewed, {1h, BootClock::now() - 21min}, ""};  // the next is due at once
        },
        [&](const Lease&) {
          char c = 0;
          (void)!::write(renewed[1], "x", 1);
          (void)!::read(go_on[0], &c, 1);
        },
        lost);
    char c = 0;
    REQUIRE(::read(renewed[0], &c, 1) == 1);
    renewer.send_no_more();  // would never return if it waited for the thread
    REQUIRE(::write(go_on[1], "x", 1) == 1);
  }
  CHECK(requests == 1);
  CHECK_FALSE(lost.reason().has_value());
  for (const int fd : {renewed[0], renewed[1], go_on[0], go_on[1]}) {
    ::close(fd);
  }
}

TEST_CASE("a lease that has already run out is lost without a request") {
  LostEvent lost;
  const Renewer renewer(
      Timing::of(2s, std::nullopt), {2s, BootClock::now() - 10s},
      [](const Attempt&) -> Renewal { throw std::logic_error("asked"); }, [](const Lease&) {}, lost);
  REQUIRE(is_raised(lost, 10s));
  CHECK(lost.reason()->find("asked") == std::string::npos);
}
