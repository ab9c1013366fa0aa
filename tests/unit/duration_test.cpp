// SPDX-License-Identifier: Apache-2.0
#include "core/duration.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using lockgate::format_duration;
using lockgate::parse_duration;

TEST_CASE("a duration is a number with a unit, several of them from large to small, or a bare number of seconds") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("10s") == 10s);
  CHECK(parse_duration("1m30s") == 90s);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("1h2m3s4ms") == 1h + 2min + 3s + 4ms);
  CHECK(parse_duration("10") == 10s);
  CHECK(parse_duration("0") == 0s);
  CHECK(parse_duration("0.5") == 500ms);
  CHECK(parse_duration("1.5m") == 90s);
}

TEST_CASE("anything else is no duration") {
  for (const char* text : {"",
                           "-1",
                           "+1",
                           "s",
                           "10x",
                           "1e3",
                           "inf",
                           "nan",
                           "0x10",
                           "10 s",
                           " 10",
                           "1m30",
                           "30s1m",
                           "1s1s",
                           "1.2.3",
                           ".",
                           "99999999999999999999",
                           "1000000h",
                           "none",
                           "10S"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
}

TEST_CASE("people read short durations") {
  CHECK(format_duration(250ms) == "250ms");
  CHECK(format_duration(4s) == "4s");
  CHECK(format_duration(4200ms) == "4.2s");
  CHECK(format_duration(252s) == "4m12s");
  CHECK(format_duration(125min) == "2h05m");
  CHECK(format_duration(76h) == "3d04h");
}
