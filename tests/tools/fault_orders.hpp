// SPDX-License-Identifier: Apache-2.0
// What the fault proxy can be told to do; fault_proxy.cpp has the list of its commands.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "sockets.hpp"

namespace tools {

enum class Mode { pass, delay, hole, stall, trickle, half_close, reset, refuse };

struct Orders {
  Mode mode = Mode::pass;
  Milliseconds delay = 0;
  Milliseconds rate = 0;
  bool swallow_up = false;
  bool swallow_down = false;
  std::optional<std::size_t> cut;  // for the next request
  std::string cut_text;
};

/// What a command asks for, on top of what holds so far; nothing, if it is none.
std::optional<Orders> understood(const std::string& line, const Orders& before);

}  // namespace tools
