// SPDX-License-Identifier: Apache-2.0
// The server's lock table while things go wrong: slow and full disks, lost answers, restarts, crowds, liars.
#include <doctest/doctest.h>

#include <limits>
#include <memory>

#include "tests/http/table_play.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;
using Kind = AcquireAnswer::Kind;

AcquireOrder requested(const std::string& who, const std::string& request_id) {
  AcquireOrder order = TablePlay::order(who, Mode::exclusive, AcquireOrder::Wait::no);
  order.request_id = request_id;
  return order;
}

RenewOrder renewal(const std::string& handle, std::optional<Duration> ttl, std::optional<std::uint64_t> token = {}) {
  return {LockName("lock"), handle, "", ttl, std::nullopt, token};
}

TEST_CASE("D11: a thousand who wait are served as they came, and the anonymous overtakes none of them") {
  TablePlay play;
  std::optional<AcquireAnswer> holder = play.ask("holder");
  std::vector<std::unique_ptr<Parked>> waiting;
  waiting.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    waiting.push_back(std::make_unique<Parked>(play, "waiter " + std::to_string(i)));
  }
  for (const auto& next : waiting) {
    CHECK(play.ask("")->kind == Kind::must_wait);
    play.release(holder->holder.handle);
    REQUIRE(next->granted());
    holder = next->answer;
  }
}

TEST_CASE("D12: a grant that became durable only after its lease had run out is no grant") {
  TablePlay play;
  play.journal.at_once = false;
  Parked slow(play, "slow");
  play.advance(11s);
  play.journal.finish(Durability::durable);
  REQUIRE(slow.answer);
  CHECK(slow.answer->kind == Kind::ended);
  play.journal.at_once = true;
  CHECK(is_granted(play.ask("next")));
}

TEST_CASE("D14: a hold that was given back is not taken back by a late renewal, also while a restart is made good") {
  TablePlay play;
  play.journal.is_durable = false;
  CHECK(play.table().renew(renewal("old", 15s)).answer == HandleAnswer::done);
  CHECK(play.release("old") == HandleAnswer::done);
  CHECK(play.renew("old") == HandleAnswer::gone);
  CHECK(play.table().list({}, "").empty());
}

TEST_CASE("a request that is repeated while its grant fails is not told of a hold that was undone") {
  TablePlay play;
  play.journal.at_once = false;
  Parked first(play, requested("alice", "request"));
  Parked again(play, requested("alice", "request"));
  play.journal.finish_next(Durability::failed);
  play.journal.finish_next(Durability::durable);
  REQUIRE(first.answer);
  CHECK(first.answer->kind == Kind::not_durable);
  REQUIRE(again.answer);
  CHECK(again.answer->kind == Kind::not_durable);
  play.journal.at_once = true;
  CHECK(is_granted(play.ask(requested("alice", "request"))));  // nobody was told of the first one
}

TEST_CASE("a request id means something only to the principal who chose it, and for one lock") {
  TablePlay play;
  AcquireOrder order = requested("alice", "request");
  order.wish.about.principal = "ci";
  const auto hold = play.ask(order);
  REQUIRE(is_granted(hold));
  CHECK(play.ask(requested("mallory", "request"))->kind == Kind::must_wait);
  order.name = LockName("other");
  CHECK(play.ask(order)->holder.handle != hold->holder.handle);
}

TEST_CASE("F6: a request whose hold has ended is not granted anew after a restart, however it ended") {
  TablePlay play;
  const auto hold = play.ask(requested("alice", "request"));
  SUBCASE("released") {
    CHECK(play.release(hold->holder.handle) == HandleAnswer::done);
  }
  SUBCASE("run out") {
    play.advance(10s);
  }
  SUBCASE("broken") {
    play.table().break_holds(LockName("lock"), std::nullopt, [](HandleAnswer, const std::vector<HolderInfo>&) {});
  }
  const auto ended = play.journal.of<HoldEnded>();
  REQUIRE(ended.size() == 1);
  JournalContent content;
  content.ended = {{ended.front(), play.wall + 2min}};
  TablePlay after(content);
  CHECK(after.ask(requested("alice", "request"))->kind == Kind::ended);
  CHECK(is_granted(after.ask(requested("alice", "another"))));
}

TEST_CASE("F6: a request is known after a restart for the longer of its TTL and two minutes, whatever the clock says") {
  JournalContent content;
  TablePlay play;
  const HoldEnded ended{"lock", "handle", "", "\nlock\nrequest"};
  Duration known{};
  SUBCASE("of a long lease") {
    content.ended = {{ended, play.wall + 30min}};
    known = 30min;
  }
  SUBCASE("of one that ended before the server was away for long") {
    content.ended = {{ended, play.wall - 24h}};
    known = 2min;
  }
  SUBCASE("of one that was written down by a clock that was years ahead") {
    content.ended = {{ended, play.wall + 24h * 1000}};
    known = 1h;
  }
  TablePlay after(content);
  after.table();  // it counts from its start
  after.advance(known - 1s);
  CHECK(after.ask(requested("alice", "request"))->kind == Kind::ended);
  after.advance(1s);
  CHECK(is_granted(after.ask(requested("alice", "request"))));
}

TEST_CASE("F19: a request whose grant was undone may be granted after a restart") {
  TablePlay play;
  play.journal.at_once = false;
  Parked undone(play, requested("alice", "request"));
  play.journal.finish(Durability::failed);
  const auto ended = play.journal.of<HoldEnded>();
  REQUIRE(ended.size() == 1);
  CHECK(ended.front().acquired.empty());
}

TEST_CASE("F6: a longer TTL is told when it would survive a restart, a shorter one at once") {
  TablePlay play;
  const auto hold = play.ask("holder");
  const std::string handle = hold->holder.handle;
  play.journal.at_once = false;
  CHECK(play.table().renew(renewal(handle, 30s)).holder.ttl == 10s);
  CHECK(play.table().renew(renewal(handle, 30s)).holder.ttl == 10s);
  CHECK(play.journal.of<TtlChanged>().size() == 1);
  play.journal.finish(Durability::durable);
  CHECK(play.table().renew(renewal(handle, std::nullopt)).holder.ttl == 30s);
  CHECK(play.table().renew(renewal(handle, 5s)).holder.ttl == 5s);
  play.journal.finish(Durability::durable);
  play.advance(5s);
  CHECK(play.renew(handle) == HandleAnswer::gone);
}

TEST_CASE("F6: of two changes of a TTL the last one counts, however slow the disk is") {
  TablePlay play;
  const auto hold = play.ask("holder");
  play.journal.at_once = false;
  play.table().renew(renewal(hold->holder.handle, 30s));
  CHECK(play.table().renew(renewal(hold->holder.handle, 5s)).holder.ttl == 5s);
  play.journal.finish(Durability::durable);
  CHECK(play.table().renew(renewal(hold->holder.handle, std::nullopt)).holder.ttl == 5s);
}

// Refusing it would be less: its answer can be lost, or late, and the client then believes to hold the lock until ten
// seconds after it asked, when the grace is over and others are let in.
TEST_CASE("F7: a Go client that renews keeps others out for the ten seconds it counts on, however short leases are") {
  TableLimits limits;
  limits.max_ttl = 5s;
  TablePlay play({}, limits);
  play.journal.is_durable = false;
  Parked waits(play, "waits");
  play.advance(4s);
  // It says nothing of its lease, and cannot be told of another one.
  CHECK(play.table().renew(renewal("of a Go client", std::nullopt)).holder.ttl == 10s);
  CHECK(play.table().renew(renewal("of ours", 15s)).answer == HandleAnswer::gone);
  play.advance(9s);
  CHECK_FALSE(waits.answer);
  play.advance(1s);
  CHECK(waits.granted());
}

TEST_CASE("F7: one that says how long its lease is hears of a shorter one, and has that") {
  TableLimits limits;
  limits.max_ttl = 5s;
  TablePlay play({}, limits);
  play.journal.is_durable = false;
  CHECK(play.table().renew(renewal("of ours", 15s)).holder.ttl == 5s);
}

TEST_CASE("F7: nobody can use up the fencing tokens by what it says of an old hold") {
  TablePlay play;
  play.journal.is_durable = false;
  const auto most = std::numeric_limits<std::uint64_t>::max();
  CHECK(play.table().renew(renewal("forged", 15s, most)).answer == HandleAnswer::gone);
  CHECK(play.table().list({}, "").empty());
  play.advance(60s);
  CHECK(is_granted(play.ask("honest")));
}

TEST_CASE("F7: who waits for the end of the grace is served in the order of coming") {
  TablePlay play;
  play.journal.is_durable = false;
  Parked lost(play, "first");
  Parked second(play, "second");
  play.table().abandon(lost.ticket);
  Parked first(play, "first");  // came back in time
  play.table().end_wait(second.ticket);
  REQUIRE(second.answer);
  CHECK(second.answer->kind == Kind::grace);
  CHECK(second.answer->grace_left == 60s);
  CHECK(second.answer->ahead == 1);
  play.advance(60s);
  CHECK(first.granted());
}

TEST_CASE("F7: a server may be stopped while it grants nothing yet") {
  TablePlay play;
  play.journal.is_durable = false;
  Parked waits(play, "waits");
  play.table().stop();
  REQUIRE(waits.answer);
  CHECK(waits.answer->kind == Kind::stopping);
  play.advance(2min);
}

TEST_CASE("a try under the id of one who is parked ends that wait, and blocks nobody for longer than its place") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked waits(play, "twice");
  Parked next(play, "next");
  CHECK(play.ask("twice")->kind == Kind::must_wait);
  REQUIRE(waits.answer);
  CHECK(waits.answer->kind == Kind::superseded);
  play.release(holder->holder.handle);
  CHECK_FALSE(next.answer);
  play.advance(5s);
  CHECK(next.granted());
}

TEST_CASE("a hold whose answer was not written ends in two seconds, or has its TTL if its client knows of it") {
  TablePlay play;
  const auto hold = play.ask("alice");
  play.table().not_heard_of(LockName("lock"), hold->holder);
  SUBCASE("nobody comes") {
    play.advance(2s);
    CHECK(is_granted(play.ask("bob")));
  }
  SUBCASE("it was heard of after all") {
    CHECK(play.table().renew(renewal(hold->holder.handle, std::nullopt)).holder.ttl == 10s);
    play.advance(9s);
    CHECK(play.renew(hold->holder.handle) == HandleAnswer::done);
  }
}

TEST_CASE("a hold whose client came back for its answer is not ended by the first answer's being lost") {
  TablePlay play;
  auto order = TablePlay::order("alice", Mode::exclusive, AcquireOrder::Wait::no);
  order.request_id = "request";
  SUBCASE("which was being written, slowly") {
    const auto first = play.ask(order);
    play.advance(1s);
    REQUIRE(is_granted(play.ask(order)));
    play.table().not_heard_of(LockName("lock"), first->holder);
  }
  SUBCASE("which waited for the disk") {
    play.journal.at_once = false;
    Parked first(play, order);
    play.table().abandon(first.ticket);
    play.advance(1s);
    Parked again(play, order);
    play.journal.finish(Durability::durable);
    CHECK_FALSE(first.answer);
    CHECK(again.granted());
    play.journal.at_once = true;
  }
  play.advance(9s);
  CHECK(play.ask("bob")->kind == Kind::must_wait);
  play.advance(1s);
  CHECK(is_granted(play.ask("bob")));
}

TEST_CASE("a request that is repeated can be given up like the first one") {
  TablePlay play;
  auto order = TablePlay::order("alice", Mode::exclusive, AcquireOrder::Wait::no);
  order.request_id = "request";
  REQUIRE(is_granted(play.ask(order)));
  play.journal.at_once = false;
  Parked again(play, order);
  play.table().abandon(again.ticket);
  play.journal.finish(Durability::durable);
  play.journal.at_once = true;
  CHECK_FALSE(again.answer);
  play.advance(2s);
  CHECK(is_granted(play.ask("bob")));
}

TEST_CASE("F19: while the disk is full, what is refused is not kept in line for it either") {
  TablePlay play;
  const auto holder = play.ask("holder");
  CHECK(play.release(holder->holder.handle, "request") == HandleAnswer::done);
  const auto second = play.ask("second");
  play.journal.is_healthy = false;
  const std::size_t in_line = play.journal.entries.size();
  CHECK(play.release(holder->holder.handle, "request") == HandleAnswer::not_durable);
  std::optional<HandleAnswer> set;
  play.table().set_value(LockName("lock"), second->holder.handle, "", "text",
                         [&set](HandleAnswer what) { set = what; });
  CHECK(set == HandleAnswer::not_durable);
  CHECK_FALSE(play.table().holders(LockName("lock"), 20).front().published.value.has_value());
  CHECK(play.ask("third")->kind == Kind::not_durable);
  CHECK(play.renew(second->holder.handle) == HandleAnswer::done);
  CHECK(play.journal.entries.size() == in_line);
}

TEST_CASE("F19: one whose grant could not be written hears of it, and the next gets the lock when there is room") {
  TablePlay play;
  const auto holder = play.ask("holder");
  Parked unlucky(play, "unlucky");
  Parked next(play, "next");
  play.journal.at_once = false;
  play.release(holder->holder.handle);
  play.journal.is_healthy = false;
  play.journal.finish(Durability::failed);
  REQUIRE(unlucky.answer);
  CHECK(unlucky.answer->kind == Kind::not_durable);
  play.advance(3s);
  CHECK_FALSE(next.answer);
  play.journal.is_healthy = true;
  play.journal.at_once = true;
  play.advance(1s);
  CHECK(next.granted());
}

TEST_CASE("F25: thousands of locks that run out together are all dealt with, a portion at a time") {
  TablePlay play;
  for (int i = 0; i < 5000; ++i) {
    AcquireOrder order = TablePlay::order("dies", Mode::exclusive, AcquireOrder::Wait::no);
    order.name = LockName("lock " + std::to_string(i));
    play.ask(std::move(order));
  }
  play.now += 10s;
  play.table().expire_due();
  const std::size_t left = play.table().counters().holders;
  CHECK(left > 0);
  CHECK(left < 5000);
  CHECK(play.alarm <= play.now);
  play.advance(0s);
  CHECK(play.table().counters().holders == 0);
  CHECK(play.table().counters().expirations == 5000);
}

TEST_CASE("to one who has to wait, a crowd of readers is told by its oldest") {
  TablePlay play;
  for (int i = 0; i < 100; ++i) {
    play.ask("reader " + std::to_string(i), Mode::shared);
  }
  CHECK(play.table().holders(LockName("lock"), 20).size() == 20);
  CHECK(play.table().holders(LockName("other"), 20).empty());
}

}  // namespace
}  // namespace lockgate::server
