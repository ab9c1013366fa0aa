// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/describe.hpp"
#include "cli/held.hpp"
#include "cli/status_output.hpp"

using namespace lockgate;
using namespace std::chrono_literals;

namespace {

const WallTime kNow = WallTime(std::chrono::seconds(1'772'366'400));  // 2026-03-01T12:00:00Z

LockState held_lock() {
  HolderInfo holder;
  holder.id = "00000000a1";
  holder.mode = Mode::exclusive;
  holder.host = "build7";
  holder.pid = 4312;
  holder.user = "alice";
  holder.published = {"make", "release 1.9", "blue"};
  holder.acquired_at = kNow - 252s;
  LockState lock;
  lock.name = "deploy";
  lock.key = "/locks/abc";
  lock.mode = Mode::exclusive;
  lock.state = LockState::State::held;
  lock.token = 7;
  lock.holders = {holder};
  lock.waiters = {{"build8", 99, "bob", Mode::shared, kNow - 1s},
                  {"build9", 100, "eve", Mode::exclusive, std::nullopt}};
  return lock;
}

LockState free_lock() {
  LockState lock;
  lock.key = "/locks/0123456789abcdef";
  lock.state = LockState::State::free;
  return lock;
}

}  // namespace

TEST_CASE("a holder in one line: who, where, what, for how long, why") {
  CHECK(describe(held_lock().holders[0], kNow) == "alice@build7 pid 4312 (make), for 4m12s, \"release 1.9\"");
  CHECK(describe_holders(held_lock(), kNow).starts_with("held by alice@build7"));
  CHECK(describe_place_in_queue(held_lock(), {"build9", 100}) == "; 1 ahead of you");
  CHECK(describe_place_in_queue(held_lock(), {"build8", 99}).empty());
}

TEST_CASE("a holder that says nothing of itself is a client where there are leases, and a lockgate only at a file") {
  HolderInfo holder;
  CHECK(describe(holder, kNow) == "a lockgate that left no note");
  holder.expires_at = kNow + 10s;
  CHECK(describe(holder, kNow) == "a client that says nothing of itself");
  holder.host = "10.0.0.7";  // all that a server knows of a client of the Go library
  holder.acquired_at = kNow - 5s;
  CHECK(describe(holder, kNow) ==
        "a client at 10.0.0.7 that says no more of itself, as those of the Go library, for 5s");
  holder.pid = 4312;
  holder.published.command = "make";
  CHECK(describe(holder, kNow) == "a client at 10.0.0.7 pid 4312 (make), for 5s");
}

TEST_CASE("where the process that took a foreign lock has ended, its heirs are said to hold it") {
  HolderInfo holder;
  holder.foreign = true;
  holder.host = "build7";
  holder.pid = 4312;
  CHECK(describe(holder, kNow) == "what pid 4312 left behind, not a lockgate");
  LockState lock = held_lock();
  lock.holders = {holder};
  CHECK(to_table({lock}, kNow, Style::plain, ShowFree::no).find("  ?@build7 4312  ") != std::string::npos);
}

TEST_CASE("the table has a line for each holder, and leaves out what is free unless it was asked for") {
  const std::string table = to_table({held_lock(), free_lock()}, kNow, Style::plain, ShowFree::no);
  CHECK(table ==
        "NAME    MODE       HOLDER                    SINCE  EXPIRES  WAITING  VALUE\n"
        "deploy  exclusive  alice@build7 4312 (make)  4m12s  -        2        blue\n");
  CHECK(to_table({free_lock()}, kNow, Style::plain, ShowFree::no).empty());
  CHECK(to_table({free_lock()}, kNow, Style::plain, ShowFree::yes).find("0123456789ab...  free") != std::string::npos);
}

TEST_CASE("a waiter on another host that bears our number is not taken for us") {
  LockState lock = held_lock();
  lock.waiters.push_back({"here", 99, "me", Mode::shared, kNow});
  CHECK(describe_place_in_queue(lock, {"here", 99}) == "; 2 ahead of you");
  CHECK(describe_place_in_queue(lock, {"elsewhere", 99}).empty());
}

TEST_CASE("the table says how much is left of a lease, and never less than nothing") {
  LockState lock = held_lock();
  lock.holders[0].expires_at = kNow + 12s;
  CHECK(to_table({lock}, kNow, Style::plain, ShowFree::no).find("  4m12s  12s  ") != std::string::npos);
  CHECK(to_table({lock}, kNow + 20s, Style::plain, ShowFree::no).find("  0ms  ") != std::string::npos);
}

TEST_CASE("what others published cannot play tricks with the table") {
  LockState lock = held_lock();
  lock.holders[0].published.value = "\x1b[2J" + std::string(100, 'v') + "\n";
  const std::string table = to_table({lock}, kNow, Style::plain, ShowFree::no);
  CHECK(table.find('\x1b') == std::string::npos);
  CHECK(std::count(table.begin(), table.end(), '\n') == 2);
  CHECK(table.find("vvv...") != std::string::npos);
}

TEST_CASE("the JSON has every key of the contract, and null where nothing is known") {
  const auto document =
      nlohmann::json::parse(to_json({"file", "file:///locks"}, {held_lock(), free_lock()}, Layout::indented));
  CHECK(document["backend"] == nlohmann::json({{"kind", "file"}, {"target", "file:///locks"}}));
  const auto& lock = document["locks"][0];
  CHECK(lock["name"] == "deploy");
  CHECK(lock["state"] == "held");
  CHECK(lock["mode"] == "exclusive");
  CHECK(lock["fencing_token"] == 7);
  CHECK(lock["holders"][0]["acquired_at"] == "2026-03-01T11:55:48.000Z");
  CHECK(lock["holders"][0]["expires_at"].is_null());
  CHECK(lock["holders"][0]["value"] == "blue");
  CHECK(lock["waiters"][1]["position"] == 2);
  CHECK(lock["waiters"][1]["since"].is_null());
  CHECK(document["locks"][1]["name"].is_null());
  CHECK(document["locks"][1]["state"] == "free");
}

TEST_CASE("the values of a lock as JSON are those of the holders that have one") {
  LockState lock = held_lock();
  lock.holders.push_back(lock.holders[0]);
  lock.holders[1].published.value.reset();
  const auto document = nlohmann::json::parse(values_to_json(lock));
  CHECK(document["name"] == "deploy");
  CHECK(document["fencing_token"] == 7);
  REQUIRE(document["holders"].size() == 1);
  CHECK(document["holders"][0]["value"] == "blue");
  CHECK(document["holders"][0]["user"] == "alice");
}

TEST_CASE("an event is one line: when, which lock, what happened, whose doing it is") {
  LockEvent event{kNow, "deploy", LockEvent::Kind::acquired, held_lock().holders[0], {}, 7};
  CHECK(
      to_line(event) ==
      "2026-03-01T12:00:00.000Z \"deploy\" acquired: alice@build7 pid 4312 (make), \"release 1.9\", value \"blue\"\n");
  event.kind = LockEvent::Kind::released;
  CHECK(to_line(event).find("released: alice@build7 pid 4312 (make), for 4m12s, ") != std::string::npos);
  event = {kNow, "a\nb", LockEvent::Kind::state, {}, {}, {}};
  CHECK(to_line(event) == "2026-03-01T12:00:00.000Z \"a\\nb\" state: free\n");
  event = {kNow, "deploy", LockEvent::Kind::waiting, {}, held_lock().waiters[0], {}};
  CHECK(to_line(event) == "2026-03-01T12:00:00.000Z \"deploy\" waiting: bob@build8 pid 99, shared\n");
}

TEST_CASE("what others published cannot make an event two lines") {
  LockEvent event{kNow, "x\n", LockEvent::Kind::value, held_lock().holders[0], {}, 7};
  event.holder->published = {"a\nb", "c\nd", "e\nf"};
  event.holder->user = "g\nh";
  for (const std::string& line : {to_line(event), to_json_line(event)}) {
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    CHECK(line.back() == '\n');
  }
}

TEST_CASE("an event as JSON has the keys of the contract, and null where there is nothing") {
  const LockEvent event{kNow, "deploy", LockEvent::Kind::released, held_lock().holders[0], {}, 7};
  const auto document = nlohmann::json::parse(to_json_line(event));
  CHECK(document["time"] == "2026-03-01T12:00:00.000Z");
  CHECK(document["name"] == "deploy");
  CHECK(document["event"] == "released");
  CHECK(document["holder"]["user"] == "alice");
  CHECK(document["value"] == "blue");
  CHECK(document["fencing_token"] == 7);
  CHECK(!document.contains("waiter"));
  const auto free = nlohmann::json::parse(to_json_line({kNow, "deploy", LockEvent::Kind::state, {}, {}, {}}));
  CHECK(free["holder"].is_null());
  CHECK(free["value"].is_null());
  CHECK(free["fencing_token"].is_null());
}

TEST_CASE("text that is no UTF-8 does not break the JSON") {
  LockState lock = held_lock();
  lock.holders[0].published.reason = "\xff";
  CHECK(nlohmann::json::accept(to_json({"file", "t"}, {lock}, Layout::one_line)));
}

TEST_CASE("LOCKGATE_HELD carries any name, and passes over what is no line of it") {
  const HeldEntry entry{{"file:///a b", "name with\nnewline"}, "handle"};
  const auto back = parse_held("rubbish\n" + to_line(entry) + "\n% % %\n");
  REQUIRE(back.size() == 1);
  CHECK(back[0].lock.url == entry.lock.url);
  CHECK(back[0].lock.name == entry.lock.name);
  CHECK(back[0].handle == "handle");
}
