// SPDX-License-Identifier: Apache-2.0
#include "fault_orders.hpp"

#include <map>
#include <sstream>

namespace tools {
namespace {

/// The number in a command, or nothing.
std::optional<Milliseconds> number_in(std::istringstream& words) {
  Milliseconds number = 0;
  if (words >> number && number >= 0) {
    return number;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Orders> understood(const std::string& line, const Orders& before) {
  static const std::map<std::string, Mode> kPlain{{"pass", Mode::pass},   {"stall", Mode::stall},
                                                  {"reset", Mode::reset}, {"refuse", Mode::refuse},
                                                  {"hole", Mode::hole},   {"half-close", Mode::half_close}};
  std::istringstream words(line);
  std::string word, rest;
  words >> word;
  Orders orders;
  if (word == "cut-reply" || word == "lose-reply") {
    orders = before;
    const auto bytes = word == "cut-reply" ? number_in(words) : std::optional<Milliseconds>(0);
    orders.cut_text.clear();
    words >> orders.cut_text;
    orders.cut = static_cast<std::size_t>(bytes.value_or(0));
    return bytes ? std::optional(orders) : std::nullopt;
  }
  if (word == "delay" || word == "trickle") {
    const auto number = number_in(words).value_or(-1);
    orders.mode = word == "delay" ? Mode::delay : Mode::trickle;
    (word == "delay" ? orders.delay : orders.rate) = number;
    return number > 0 ? std::optional(orders) : std::nullopt;
  }
  if (!kPlain.contains(word)) {
    return std::nullopt;
  }
  words >> rest;
  orders.mode = kPlain.at(word);
  orders.swallow_up = orders.mode == Mode::hole && rest != "down";
  orders.swallow_down = orders.mode == Mode::hole && rest != "up";
  return orders;
}

}  // namespace tools
