// SPDX-License-Identifier: Apache-2.0
#include "core/duration.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace lockgate {
namespace {

using namespace std::chrono_literals;

constexpr double kLongest = 100.0 * 365 * 24 * 3600;

struct Unit {
  std::string_view name;
  double seconds;
};
// Largest first: "1h30m" is in order, "30m1h" is a slip of the pen. "ms" before "m" so that it is not cut short.
constexpr std::array<Unit, 4> kUnits = {{{"h", 3600}, {"ms", 0.001}, {"m", 60}, {"s", 1}}};

std::optional<double> take_number(std::string_view& text) {
  // from_chars would take "inf", "nan", "1e9" and "-1"; a duration is digits with at most one point.
  const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + length, number, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + length) {
    return std::nullopt;
  }
  text.remove_prefix(length);
  return number;
}

std::optional<double> take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return unit.seconds;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  double total = 0;
  double previous_unit = kLongest;
  bool bare = true;
  do {
    const auto number = take_number(text);
    if (!number) {
      return std::nullopt;
    }
    double unit = 1;
    if (!(bare && text.empty())) {
      const auto named = take_unit(text);
      if (!named || *named >= previous_unit) {
        return std::nullopt;
      }
      unit = previous_unit = *named;
    }
    bare = false;
    total += *number * unit;
  } while (!text.empty());
  if (total > kLongest) {
    return std::nullopt;
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(total));
}

std::string format_duration(Duration duration) {
  using namespace std::chrono;
  const auto whole = duration_cast<seconds>(duration).count();
  if (duration < 1s) {
    return fmt::format("{}ms", duration_cast<milliseconds>(duration).count());
  }
  if (whole < 60) {
    const auto tenths = duration_cast<milliseconds>(duration).count() / 100;
    return tenths % 10 == 0 ? fmt::format("{}s", tenths / 10) : fmt::format("{}.{}s", tenths / 10, tenths % 10);
  }
  if (whole < 3600) {
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  }
  if (whole < 86400) {
    return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  }
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace lockgate
