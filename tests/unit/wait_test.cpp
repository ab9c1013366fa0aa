// SPDX-License-Identifier: Apache-2.0
// The wait of a command, with the clock turned by hand.
#include <doctest/doctest.h>

#include "cli/command_wait.hpp"

using namespace lockgate;
using namespace std::chrono_literals;

TEST_CASE("the wait line comes once after a second, and then every thirty seconds") {
  const BootTime begin{};
  WaitLineSchedule line(WaitLineSchedule::Kind::lines, begin);
  CHECK_FALSE(line.due(begin));
  CHECK_FALSE(line.due(begin + 999ms));
  CHECK(line.due(begin + 1s));
  CHECK_FALSE(line.due(begin + 30s));
  CHECK(line.due(begin + 31s));
  CHECK(line.next() == begin + 61s);
}

TEST_CASE("on a terminal the line is new every second") {
  const BootTime begin{};
  WaitLineSchedule line(WaitLineSchedule::Kind::live, begin);
  CHECK(line.due(begin + 1s));
  CHECK_FALSE(line.due(begin + 1900ms));
  CHECK(line.due(begin + 2s));
}

TEST_CASE("a wait ends at its deadline and not before") {
  CommandWait waiting({.limit = 10s, .say_line = {}});
  const BootTime begin = BootClock::now();
  waiting.begin(begin);
  CHECK_FALSE(waiting.nonblocking());
  CHECK(waiting.attend(begin + 9s) == WaitVerdict::go_on);
  CHECK(waiting.attend(begin + 10s) == WaitVerdict::timed_out);
}

TEST_CASE("a wait without a limit goes on for as long as it takes") {
  CommandWait waiting({.limit = {}, .say_line = {}});
  const BootTime begin = BootClock::now();
  waiting.begin(begin);
  CHECK_FALSE(waiting.next_event().has_value());
  CHECK(waiting.attend(begin + std::chrono::hours(24 * 365)) == WaitVerdict::go_on);
}

TEST_CASE("why a place grants nothing is said once") {
  std::vector<std::string> said;
  CommandWait waiting({.limit = {}, .say_line = {}, .say_why = [&](const std::string& why) { said.push_back(why); }});
  waiting.explain("it was started anew, 60s");
  waiting.explain("it was started anew, 30s");
  CHECK(said == std::vector<std::string>{"it was started anew, 60s"});
  CommandWait({.limit = {}, .say_line = {}}).explain("to nobody");
}

TEST_CASE("a limit of nothing is no wait at all") {
  CHECK(CommandWait({.limit = 0s, .say_line = {}}).nonblocking());
}

TEST_CASE("the line is said when it is due, with how long the wait has been") {
  std::vector<Duration> said;
  CommandWait waiting({.limit = {}, .say_line = [&](Duration waited) { said.push_back(waited); }});
  const BootTime begin = BootClock::now();
  waiting.begin(begin);
  waiting.attend(begin + 500ms);
  CHECK(said.empty());
  waiting.attend(begin + 1s);
  REQUIRE(said.size() == 1);
  CHECK(said[0] >= 1s);
}
