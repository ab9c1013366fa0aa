// SPDX-License-Identifier: Apache-2.0
// The rules of a leased lock, with a clock turned by hand.
#include "core/lease_rules.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "core/error.hpp"
#include "core/handle.hpp"

using namespace lockgate;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kWall = 1'760'000'000'000'000;

/// One lock and the time.
struct Scene {
  LeaseLock lock;
  StoreTime now = 1000s;
  std::uint64_t wall = kWall;
  int made = 0;

  LeaseWish wish(const std::string& who, Mode mode, Duration keep_place) {
    LeaseWish wish;
    wish.handle = (who.empty() ? "anonymous" : who) + "#" + std::to_string(++made);
    wish.acquirer_id = who;
    wish.mode = mode;
    wish.ttl = 10s;
    wish.keep_place = keep_place;
    wish.about.host = "host of " + who;
    return wish;
  }
  std::variant<LeaseHolder, Queued> want(const std::string& who, Mode mode = Mode::exclusive, Duration keep = 5s) {
    return acquire(lock, wish(who, mode, keep), now, wall);
  }
  LeaseHolder must_get(const std::string& who, Mode mode = Mode::exclusive, Duration keep = 5s) {
    const auto got = want(who, mode, keep);
    REQUIRE(std::holds_alternative<LeaseHolder>(got));
    return std::get<LeaseHolder>(got);
  }
  std::size_t must_wait(const std::string& who, Mode mode = Mode::exclusive, Duration keep = 5s) {
    const auto got = want(who, mode, keep);
    REQUIRE(std::holds_alternative<Queued>(got));
    return std::get<Queued>(got).ahead;
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a free lock is granted, and then waited for in the order of coming") {
  Scene scene;
  const LeaseHolder first = scene.must_get("first");
  CHECK(first.expires == scene.now + 10s);
  CHECK(scene.must_wait("second") == 0);
  CHECK(scene.must_wait("third") == 1);
  CHECK(scene.must_wait("second") == 0);  // asking again keeps the place
  CHECK(next_in_line(scene.lock).empty());
  REQUIRE(release(scene.lock, first.handle, scene.now).has_value());
  CHECK(next_in_line(scene.lock) == Names{"second"});
  scene.must_wait("third");
  scene.must_get("second");
  CHECK(scene.lock.queue.size() == 1);
}

TEST_CASE("D1: a late renewal of a hold that was taken over is refused and changes nothing") {
  Scene scene;
  const LeaseHolder old = scene.must_get("old");
  scene.now += 10s;
  CHECK(expire(scene.lock, scene.now).holders.size() == 1);
  const LeaseHolder taker = scene.must_get("taker");
  CHECK(renew(scene.lock, old.handle, scene.now) == nullptr);
  CHECK_FALSE(release(scene.lock, old.handle, scene.now).has_value());
  REQUIRE(scene.lock.holders.size() == 1);
  CHECK(scene.lock.holders.front().handle == taker.handle);
}

TEST_CASE("D2: one who takes over an expired lock has it in the mode it asked for") {
  Scene scene;
  scene.must_get("reader", Mode::shared);
  scene.now += 10s;
  expire(scene.lock, scene.now);
  const LeaseHolder writer = scene.must_get("writer");
  CHECK(writer.mode == Mode::exclusive);
  scene.must_wait("late reader", Mode::shared, 0s);
  scene.now += 10s;
  expire(scene.lock, scene.now);
  CHECK(scene.must_get("reader", Mode::shared).mode == Mode::shared);
  CHECK(scene.must_get("another reader", Mode::shared).handle != writer.handle);
}

TEST_CASE("D3: a release that is sent twice takes nobody else's hold") {
  Scene scene;
  const LeaseHolder one = scene.must_get("one", Mode::shared);
  const LeaseHolder two = scene.must_get("two", Mode::shared);
  CHECK(one.handle != two.handle);
  CHECK(release(scene.lock, one.handle, scene.now).has_value());
  CHECK_FALSE(release(scene.lock, one.handle, scene.now).has_value());
  CHECK(scene.must_wait("writer") == 0);
  REQUIRE(scene.lock.holders.size() == 1);
  CHECK(release(scene.lock, two.handle, scene.now).has_value());
  scene.must_get("writer");
}

TEST_CASE("D4: a reader that crashed holds others up for its own TTL and not longer, whatever other readers do") {
  Scene scene;
  scene.must_get("crashed", Mode::shared);
  scene.now += 6s;
  const LeaseHolder living = scene.must_get("living", Mode::shared);
  scene.must_wait("writer");
  scene.now += 4s;
  const Expired expired = expire(scene.lock, scene.now);
  REQUIRE(expired.holders.size() == 1);
  CHECK(expired.holders[0].acquirer_id == "crashed");
  REQUIRE(release(scene.lock, living.handle, scene.now).has_value());
  scene.must_get("writer");
}

TEST_CASE("D9: a try leaves no place in the queue, and takes none away") {
  Scene scene;
  const LeaseHolder holder = scene.must_get("holder");
  scene.must_wait("tries", Mode::exclusive, 0s);
  CHECK(scene.lock.queue.empty());
  scene.must_wait("waits");
  const StoreTime kept = scene.lock.queue.front().expires;
  scene.now += 1s;
  scene.must_wait("waits", Mode::exclusive, 0s);
  CHECK(scene.lock.queue.front().expires == kept);
  release(scene.lock, holder.handle, scene.now);
  CHECK(scene.must_wait("tries", Mode::exclusive, 0s) == 1);
  scene.must_get("waits");
}

TEST_CASE("D11: a queued writer is overtaken by no reader, and two hundred are served as they came") {
  Scene scene;
  const LeaseHolder reader = scene.must_get("reader", Mode::shared);
  for (int i = 0; i < 200; ++i) {
    CHECK(scene.must_wait("writer " + std::to_string(i)) == static_cast<std::size_t>(i));
  }
  scene.must_wait("late reader", Mode::shared);
  scene.must_wait("", Mode::shared);
  release(scene.lock, reader.handle, scene.now);
  for (int i = 0; i < 200; ++i) {
    REQUIRE(next_in_line(scene.lock) == Names{"writer " + std::to_string(i)});
    const LeaseHolder writer = scene.must_get("writer " + std::to_string(i));
    release(scene.lock, writer.handle, scene.now);
  }
  CHECK(next_in_line(scene.lock) == Names{"late reader"});
}

TEST_CASE("D14: what was released or has expired is not renewed back to life") {
  Scene scene;
  const LeaseHolder released = scene.must_get("released");
  scene.must_wait("next");
  release(scene.lock, released.handle, scene.now);
  CHECK(renew(scene.lock, released.handle, scene.now) == nullptr);
  const LeaseHolder next = scene.must_get("next");
  CHECK(renew(scene.lock, next.handle, next.expires) == nullptr);  // no longer held at the very moment of its expiry
  CHECK(scene.lock.holders.front().expires == next.expires);
  CHECK_FALSE(release(scene.lock, next.handle, next.expires).has_value());
  CHECK(set_value(scene.lock, next.handle, "late", next.expires) == nullptr);
  CHECK(renew(scene.lock, next.handle, next.expires - 1ns) != nullptr);
}

TEST_CASE("D19: asking for what is not there makes nothing") {
  Scene scene;
  CHECK(renew(scene.lock, "unknown", scene.now) == nullptr);
  CHECK_FALSE(release(scene.lock, "unknown", scene.now).has_value());
  CHECK_FALSE(leave(scene.lock, "unknown"));
  CHECK_FALSE(keep_place(scene.lock, "unknown", scene.now + 5s));
  CHECK(set_value(scene.lock, "unknown", "text", scene.now) == nullptr);
  CHECK(scene.lock.empty());
  CHECK_FALSE(next_expiry(scene.lock).has_value());
}

TEST_CASE("the anonymous never queue, and overtake nobody") {
  Scene scene;
  const LeaseHolder reader = scene.must_get("", Mode::shared);
  scene.must_get("", Mode::shared);  // beside readers, while nobody waits
  scene.must_wait("");
  CHECK(scene.lock.queue.empty());
  scene.must_wait("writer");
  CHECK(scene.must_wait("", Mode::shared) == 1);
  release(scene.lock, reader.handle, scene.now);
  CHECK(scene.lock.queue.size() == 1);
}

TEST_CASE("readers at the head of the queue are served together, up to the next writer") {
  Scene scene;
  const LeaseHolder writer = scene.must_get("writer");
  scene.must_wait("reader 1", Mode::shared);
  scene.must_wait("reader 2", Mode::shared);
  scene.must_wait("next writer");
  scene.must_wait("reader 3", Mode::shared);
  release(scene.lock, writer.handle, scene.now);
  CHECK(next_in_line(scene.lock) == Names{"reader 1", "reader 2"});
  scene.must_get("reader 2", Mode::shared);  // overtakes another reader, who loses nothing by it
  scene.must_wait("reader 3", Mode::shared);
  scene.must_get("reader 1", Mode::shared);
  CHECK(next_in_line(scene.lock).empty());
}

TEST_CASE("a reader whose ancestor shares the lock passes the queue, and only while the lock is shared") {
  Scene scene;
  const LeaseHolder ancestor = scene.must_get("ancestor", Mode::shared);
  scene.must_wait("writer");
  LeaseWish child = scene.wish("child", Mode::shared, 5s);
  child.pass_queue = true;
  CHECK(std::holds_alternative<LeaseHolder>(acquire(scene.lock, child, scene.now, scene.wall)));
  release(scene.lock, ancestor.handle, scene.now);
  release(scene.lock, child.handle, scene.now);
  child.handle = "again";
  CHECK(std::holds_alternative<Queued>(acquire(scene.lock, child, scene.now, scene.wall)));
}

TEST_CASE("a holder that asks again under its own id waits like anybody else") {
  Scene scene;
  scene.must_get("twice");
  CHECK(scene.must_wait("twice") == 0);
  CHECK(scene.lock.queue.size() == 1);
}

TEST_CASE("a place that nobody came back for is lost, and coming back keeps it with its first time") {
  Scene scene;
  scene.must_get("holder");
  LeaseWish wish = scene.wish("waiter", Mode::exclusive, 5s);
  wish.about.since = WallTime(1h);
  wish.about.published.value = "not to be seen before it is held";
  acquire(scene.lock, wish, scene.now, scene.wall);
  scene.now += 4s;
  wish.about.since = WallTime(2h);
  acquire(scene.lock, wish, scene.now, scene.wall);
  CHECK(scene.lock.queue.front().about.since == WallTime(1h));
  CHECK_FALSE(scene.lock.queue.front().about.published.value.has_value());
  scene.now += 4s;
  CHECK(expire(scene.lock, scene.now).waiters.empty());
  CHECK(keep_place(scene.lock, "waiter", kNever));
  CHECK(next_expiry(scene.lock) == scene.lock.holders.front().expires);
  CHECK(keep_place(scene.lock, "waiter", scene.now + 900ms));
  CHECK(expire(scene.lock, scene.now + 900ms).waiters.size() == 1);
  CHECK(scene.lock.queue.empty());
}

TEST_CASE("D17: tokens grow with each exclusive owner, also when the wall clock goes back") {
  Scene scene;
  const LeaseHolder first = scene.must_get("first");
  CHECK(first.token == kWall);
  release(scene.lock, first.handle, scene.now);
  const LeaseHolder reader = scene.must_get("reader", Mode::shared);
  CHECK(reader.token == kWall);
  release(scene.lock, reader.handle, scene.now);
  scene.wall -= 1'000'000'000;
  CHECK(scene.must_get("second").token == kWall + 1);
}

TEST_CASE("a token that cannot grow any more is an error, and no grant") {
  Scene scene;
  scene.lock.last_token = std::numeric_limits<std::uint64_t>::max();
  CHECK_THROWS_AS(scene.must_get("writer"), Error);
  CHECK(scene.lock.empty());
}

TEST_CASE("a hold is put back as it was, but never beside one that excludes it") {
  Scene scene;
  LeaseHolder writer;
  writer.handle = "writer";
  writer.token = kWall + 5;
  writer.expires = scene.now + 10s;
  CHECK(restore(scene.lock, writer));
  CHECK_FALSE(restore(scene.lock, writer));
  LeaseHolder reader = writer;
  reader.handle = "reader";
  reader.mode = Mode::shared;
  CHECK_FALSE(restore(scene.lock, reader));
  release(scene.lock, "writer", scene.now);
  CHECK(scene.must_get("next").token == kWall + 6);
}

TEST_CASE("a lock is shown with everybody at it, and without their handles") {
  Scene scene;
  LeaseWish wish = scene.wish("holder", Mode::shared, 5s);
  wish.about.pid = 17;
  wish.about.published.value = "v1";
  acquire(scene.lock, wish, scene.now, scene.wall);
  CHECK(set_value(scene.lock, wish.handle, "v2", scene.now) != nullptr);
  scene.must_wait("writer");
  const WallTime wall(100h);
  const LockState state = describe_lock("deploy", scene.lock, scene.now + 4s, wall);
  CHECK(state.state == LockState::State::held);
  CHECK(state.mode == Mode::shared);
  CHECK_FALSE(state.token.has_value());
  REQUIRE(state.holders.size() == 1);
  CHECK(state.holders[0].id == public_id_text(wish.handle));
  CHECK(state.holders[0].pid == 17);
  CHECK(state.holders[0].published.value == "v2");
  CHECK(state.holders[0].expires_at == wall + 6s);
  REQUIRE(state.waiters.size() == 1);
  CHECK(state.waiters[0].host == "host of writer");
  CHECK(describe_lock("deploy", scene.lock, scene.now + 10s, wall).state == LockState::State::expired);
  CHECK(describe_lock("deploy", scene.lock, scene.now + 10s, wall).waiters.empty());
  CHECK(describe_lock("other", LeaseLock{}, scene.now, wall).state == LockState::State::free);
}
