// SPDX-License-Identifier: Apache-2.0
// The server's lock table: who gets a lock, in which order, and what becomes of answers that are lost.
#include <doctest/doctest.h>

#include <memory>

#include "tests/http/table_play.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;
using Kind = AcquireAnswer::Kind;

TEST_CASE("one holds a lock at a time, and the next gets it when it is released") {
  TablePlay play;
  const auto first = play.ask("alice");
  REQUIRE(is_granted(first));
  CHECK(play.ask("bob")->kind == Kind::must_wait);
  CHECK(play.release(first->holder.handle) == HandleAnswer::done);
  const auto second = play.ask("bob");
  REQUIRE(is_granted(second));
  CHECK(second->holder.token > first->holder.token);
}

TEST_CASE("who is parked is woken by the release, in the order of arrival") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked first(play, "first");
  Parked second(play, "second");
  play.release(holder->holder.handle);
  REQUIRE(first.granted());
  CHECK(first.answer->waited);
  CHECK_FALSE(second.answer);
  play.release(first.answer->holder.handle);
  CHECK(second.granted());
}

TEST_CASE("readers share, and do not overtake a writer that waits") {
  TablePlay play;
  const auto reader = play.ask("reader", Mode::shared);
  REQUIRE(is_granted(reader));
  CHECK(is_granted(play.ask("another", Mode::shared)));
  Parked writer(play, "writer");
  CHECK(play.ask("late", Mode::shared)->kind == Kind::must_wait);
  Parked late(play, "late", Mode::shared);
  play.advance(11s);  // both readers are gone
  REQUIRE(writer.granted());
  play.release(writer.answer->holder.handle);
  CHECK(late.granted());
}

TEST_CASE("D1: a renewal of an expired hold never revives it beside its successor") {
  TablePlay play;
  const auto old = play.ask("old");
  play.advance(10s);
  const auto next = play.ask("next");
  REQUIRE(is_granted(next));
  CHECK(play.renew(old->holder.handle) == HandleAnswer::gone);
  CHECK(play.renew(next->holder.handle) == HandleAnswer::done);
}

TEST_CASE("D2: who takes over after readers that died holds the lock alone") {
  TablePlay play;
  play.ask("reader", Mode::shared);
  play.advance(10s);
  REQUIRE(is_granted(play.ask("writer")));
  CHECK(play.ask("reader", Mode::shared)->kind == Kind::must_wait);
}

TEST_CASE("D3: a release that is sent twice takes nobody else's hold") {
  TablePlay play;
  const auto one = play.ask("one", Mode::shared);
  const auto two = play.ask("two", Mode::shared);
  CHECK(play.release(one->holder.handle, "request") == HandleAnswer::done);
  CHECK(play.release(one->holder.handle, "request") == HandleAnswer::done);
  CHECK(play.release(one->holder.handle) == HandleAnswer::gone);
  CHECK(play.ask("writer")->kind == Kind::must_wait);
  CHECK(play.renew(two->holder.handle) == HandleAnswer::done);
}

TEST_CASE("D4: a reader that died holds a writer up for its TTL and no longer") {
  TablePlay play;
  play.ask("dies", Mode::shared);
  const auto lives = play.ask("lives", Mode::shared);
  Parked writer(play, "writer");
  play.release(lives->holder.handle);
  play.advance(9s);
  CHECK_FALSE(writer.answer);
  play.advance(1s);
  CHECK(writer.granted());
}

TEST_CASE("D9: a try leaves no place in the queue") {
  TablePlay play;
  const auto holder = play.ask("holder");
  CHECK(play.ask("tries")->kind == Kind::must_wait);
  Parked waits(play, "waits");
  play.release(holder->holder.handle);
  CHECK(waits.granted());
}

TEST_CASE("D14: nothing revives a hold that was released while another waited") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked waits(play, "waits");
  play.release(holder->holder.handle);
  CHECK(play.renew(holder->holder.handle) == HandleAnswer::gone);
  CHECK(waits.granted());
}

TEST_CASE("D19: asking about locks that nobody holds leaves nothing behind") {
  TablePlay play;
  for (int i = 0; i < 1000; ++i) {
    const LockName name("unknown-" + std::to_string(i));
    CHECK(play.table().renew({name, "handle", "", {}, {}, {}}).answer == HandleAnswer::gone);
  }
  CHECK(play.table().list({}, "").empty());
}

TEST_CASE("a wait that is over keeps its place for a while, and then loses it") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked first(play, "first");
  Parked second(play, "second");
  play.table().end_wait(first.ticket);
  REQUIRE(first.answer);
  CHECK(first.answer->kind == Kind::must_wait);
  play.release(holder->holder.handle);
  CHECK_FALSE(second.answer);  // the lock waits for the one whose turn it is
  Parked back(play, "first");
  CHECK(back.granted());
  play.release(back.answer->holder.handle);
  CHECK(second.granted());
}

TEST_CASE("F25: who hangs up while it waits is out of the way within a second, and is never granted") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked gone(play, "gone");
  Parked next(play, "next");
  play.table().abandon(gone.ticket);
  play.release(holder->holder.handle);
  CHECK_FALSE(next.answer);
  play.advance(1s);
  CHECK(next.granted());
  CHECK_FALSE(gone.answer);
}

TEST_CASE("a client that reconnects in time with its id has its place again") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked lost(play, "first");
  Parked second(play, "second");
  play.table().abandon(lost.ticket);
  play.advance(500ms);
  Parked back(play, "first");
  play.release(holder->holder.handle);
  CHECK(back.granted());
  CHECK_FALSE(second.answer);
}

TEST_CASE("a second request for the same place takes it over from the first") {
  TablePlay play;
  play.ask("holder");
  Parked first(play, "waits");
  Parked again(play, "waits");
  REQUIRE(first.answer);
  CHECK(first.answer->kind == Kind::superseded);
  CHECK(play.table().list({LockName("lock")}, "").front().waiters.size() == 1);
}

TEST_CASE("the same request again is answered by the same hold") {
  TablePlay play;
  auto order = TablePlay::order("alice", Mode::exclusive, AcquireOrder::Wait::no);
  order.request_id = "request";
  const auto first = play.ask(order);
  play.advance(6s);
  const auto again = play.ask(order);
  REQUIRE(is_granted(again));
  CHECK(again->holder.handle == first->holder.handle);
  CHECK(again->holder.token == first->holder.token);
  CHECK(play.journal.of<HoldGranted>().size() == 1);
  SUBCASE("but who asks in the other mode is not told that it has what it asked for") {
    order.wish.mode = Mode::shared;
    CHECK(play.ask(order)->kind == Kind::reused);
    CHECK(play.table().list({LockName("lock")}, "").front().holders.size() == 1);
  }
  SUBCASE("and once that hold is over, it is not granted a second time") {
    play.release(first->holder.handle);
    CHECK(play.ask(order)->kind == Kind::ended);
    play.advance(3min);
    CHECK(is_granted(play.ask(order)));  // by then nobody can mean the old one
  }
}

TEST_CASE("a grant is told when it is durable, and undone when it is not") {
  TablePlay play;
  play.journal.at_once = false;
  Parked wish(play, "alice");
  CHECK_FALSE(wish.answer);
  SUBCASE("durable") {
    play.journal.finish(Durability::durable);
    CHECK(wish.granted());
  }
  SUBCASE("not durable") {
    play.journal.finish(Durability::failed);
    REQUIRE(wish.answer);
    CHECK(wish.answer->kind == Kind::not_durable);
    CHECK(play.journal.of<HoldEnded>().size() == 1);
    CHECK(play.table().list({}, "").empty());
  }
  SUBCASE("the client hung up meanwhile: the lock is free again after a moment in which it could come back") {
    play.table().abandon(wish.ticket);
    play.journal.finish(Durability::durable);
    play.journal.at_once = true;
    CHECK(play.ask("bob")->kind == Kind::must_wait);
    play.advance(2s);
    CHECK(is_granted(play.ask("bob")));
  }
}

TEST_CASE("while the journal cannot be written nothing is granted, and who waits gets it when that is mended") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked waits(play, "waits");
  play.journal.is_healthy = false;
  CHECK(play.ask("tries")->kind == Kind::not_durable);
  play.release(holder->holder.handle);
  CHECK_FALSE(waits.answer);
  play.journal.is_healthy = true;
  play.advance(1s);
  CHECK(waits.granted());
}

TEST_CASE("a release that could not be written is repeated without taking anything else") {
  TablePlay play;
  const auto holder = play.ask("holder");
  play.journal.at_once = false;
  std::optional<HandleAnswer> answer;
  const ReleaseOrder order{LockName("lock"), holder->holder.handle, "request", ""};
  play.table().release(order, [&answer](HandleAnswer what) { answer = what; });
  play.journal.finish(Durability::failed);
  CHECK(answer == HandleAnswer::not_durable);
  play.journal.at_once = true;
  CHECK(play.release(holder->holder.handle, "request") == HandleAnswer::done);
}

TEST_CASE("a handle is worth nothing to another principal") {
  TablePlay play;
  auto order = TablePlay::order("", Mode::exclusive, AcquireOrder::Wait::no);
  order.wish.about.principal = "ci";
  const auto hold = play.ask(order);
  CHECK(play.renew(hold->holder.handle) == HandleAnswer::not_yours);
  CHECK(play.release(hold->holder.handle) == HandleAnswer::not_yours);
  CHECK(play.table().renew({LockName("lock"), hold->holder.handle, "ci", {}, {}, {}}).answer == HandleAnswer::done);
}

TEST_CASE("a place in the queue cannot be taken by another principal that knows its id") {
  TablePlay play;
  const auto holder = play.ask("holder");
  auto order = TablePlay::order("id", Mode::exclusive, AcquireOrder::Wait::park);
  order.wish.about.principal = "ci";
  Parked first(play, order);
  Parked thief(play, "id");
  CHECK_FALSE(first.answer);
  CHECK_FALSE(play.table().leave(LockName("lock"), "other", ""));
  play.release(holder->holder.handle);
  CHECK(first.granted());
  CHECK_FALSE(thief.answer);
}

TEST_CASE("tokens go on where they were, also for a lock that was forgotten") {
  TablePlay play;
  const auto first = play.ask("one");
  play.release(first->holder.handle);
  CHECK(play.table().list({}, "").empty());
  play.wall -= std::chrono::hours(24);  // somebody set the clock
  const auto second = play.ask("two");
  CHECK(second->holder.token > first->holder.token);
}

TEST_CASE("F6: after a restart each live lease has its full TTL, its handle and its token") {
  TablePlay before;
  auto order = TablePlay::order("alice", Mode::exclusive, AcquireOrder::Wait::no);
  order.request_id = "request";
  const auto hold = before.ask(order);
  JournalContent content;
  content.holds = before.journal.of<HoldGranted>();
  content.token_floor = hold->holder.token;
  TablePlay after(content);
  after.now = BootTime(std::chrono::minutes(1));  // of another start of the machine
  CHECK(after.ask("bob")->kind == Kind::must_wait);
  after.advance(9s);
  CHECK(after.renew(hold->holder.handle) == HandleAnswer::done);
  CHECK(after.ask(order)->holder.token == hold->holder.token);
  after.advance(10s);
  const auto next = after.ask("bob");
  REQUIRE(is_granted(next));
  CHECK(next->holder.token > hold->holder.token);
}

TEST_CASE("F7: a memory store that begins anew grants nothing for a while, and takes back what is renewed") {
  TablePlay play;
  play.journal.is_durable = false;
  CHECK(play.ask("bob")->kind == Kind::grace);
  Parked waits(play, "waits");
  CHECK(play.table().renew({LockName("lock"), "old", "", 15s, Mode::exclusive, 77}).answer == HandleAnswer::done);
  CHECK(play.table().renew({LockName("lock"), "forged", "", 15s, Mode::shared, 77}).answer == HandleAnswer::gone);
  for (int i = 0; i < 6; ++i) {
    play.advance(10s);
    CHECK(play.renew("old") == HandleAnswer::done);
  }
  CHECK_FALSE(waits.answer);  // the grace is over, the hold is not
  CHECK(play.release("old") == HandleAnswer::done);
  REQUIRE(waits.granted());
  CHECK(waits.answer->holder.token > 77);
}

TEST_CASE("limits are told, and hurt only those who are over them") {
  TableLimits limits;
  limits.locks = 1;
  limits.waiters_per_lock = 1;
  TablePlay play({}, limits);
  play.ask("holder");
  Parked first(play, "first");
  Parked second(play, "second");
  REQUIRE(second.answer);
  CHECK(second.answer->kind == Kind::full);
  auto other = TablePlay::order("x", Mode::exclusive, AcquireOrder::Wait::no);
  other.name = LockName("another");
  CHECK(play.ask(other)->kind == Kind::full);
}

TEST_CASE("a broken hold is gone, and the next in line has the lock") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked waits(play, "waits");
  std::vector<HolderInfo> broken;
  play.table().break_holds(LockName("lock"), std::nullopt,
                           [&broken](HandleAnswer, std::vector<HolderInfo> whose) { broken = std::move(whose); });
  CHECK(broken.size() == 1);
  CHECK(waits.granted());
  CHECK(play.renew(holder->holder.handle) == HandleAnswer::gone);
}

TEST_CASE("who listens hears each change once, in its order") {
  TablePlay play;
  std::vector<std::string> heard;
  play.table().subscribe([&heard](const TableEvent& event) { heard.emplace_back(to_string(event.event.kind)); });
  const auto holder = play.ask("holder");
  Parked waits(play, "waits");
  play.table().set_value(LockName("lock"), holder->holder.handle, "", "text", [](HandleAnswer) {});
  play.release(holder->holder.handle);
  play.advance(10s);
  CHECK(heard == std::vector<std::string>{"acquired", "waiting", "value", "released", "acquired", "expired"});
}

TEST_CASE("a server that stops answers those who wait, and grants no more") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked waits(play, "waits");
  play.table().stop();
  REQUIRE(waits.answer);
  CHECK(waits.answer->kind == Kind::stopping);
  play.release(holder->holder.handle);
  CHECK(play.ask("bob")->kind == Kind::stopping);
}

}  // namespace
}  // namespace lockgate::server
