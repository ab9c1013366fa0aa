// SPDX-License-Identifier: Apache-2.0
#include "backends/http/rfc3339.hpp"

#include <charconv>
#include <chrono>

namespace lockgate::http {
namespace {

/// `digits` digits off the front of `text`; empty where there are none.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int number = 0;
  if (text.size() < digits || text.find_first_not_of("0123456789") < digits) {
    return std::nullopt;
  }
  const char* const first = text.data();
  std::from_chars(first, first + digits, number);
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char wanted) {
  const bool found = text.starts_with(wanted);
  text.remove_prefix(found ? 1 : 0);
  return found;
}

/// ".25" as microseconds; digits behind the sixth are cut off.
std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  if (!take(text, '.')) {
    return std::chrono::microseconds(0);
  }
  std::int64_t micros = 0;
  std::size_t digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits) {
    micros = digits < 6 ? micros * 10 + (text[0] - '0') : micros;
  }
  for (std::size_t i = digits; i < 6; ++i) {
    micros *= 10;
  }
  return digits == 0 || digits > 18 ? std::nullopt : std::optional(std::chrono::microseconds(micros));
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto year_number = take_number(text, 4);
  const bool dash1 = take(text, '-');
  const auto month_number = take_number(text, 2);
  const bool dash2 = take(text, '-');
  const auto day_number = take_number(text, 2);
  const bool t = take(text, 'T');
  const auto hour = take_number(text, 2);
  const bool colon1 = take(text, ':');
  const auto minute = take_number(text, 2);
  const bool colon2 = take(text, ':');
  const auto second = take_number(text, 2);
  const auto fraction = take_fraction(text);
  if (!year_number || !month_number || !day_number || !hour || !minute || !second || !fraction || !dash1 || !dash2 ||
      !t || !colon1 || !colon2 || text != "Z" || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const year_month_day date(year(*year_number), month(static_cast<unsigned>(*month_number)),
                            day(static_cast<unsigned>(*day_number)));
  if (!date.ok()) {
    return std::nullopt;
  }
  return WallTime(sys_days(date)) + hours(*hour) + minutes(*minute) + seconds(*second) + *fraction;
}

}  // namespace lockgate::http
