// SPDX-License-Identifier: Apache-2.0
#include "core/lock.hpp"

#include <fmt/format.h>

#include <array>

#include "core/error.hpp"

namespace lockgate {

constexpr std::size_t kMaxName = 1024;

LockName::LockName(std::string text) : text_(std::move(text)) {
  constexpr auto kRule = "a lock name is 1 to 1024 bytes of UTF-8 without control characters";
  if (text_.empty()) {
    throw Error(ExitCode::usage, "the lock name is empty", kRule);
  }
  if (text_.size() > kMaxName) {
    throw Error(ExitCode::usage,
                fmt::format("the lock name is {} bytes long ({}...)", text_.size(), quote(text_.substr(0, 32))), kRule);
  }
  if (const auto flaw = find_flaw(text_)) {
    throw Error(ExitCode::usage,
                fmt::format("the lock name {} has {} at byte {}", quoted(), flaw->what, flaw->offset + 1), kRule);
  }
}

std::string LockName::quoted() const {
  return quote(text_);
}

std::string_view to_string(Mode mode) {
  return mode == Mode::exclusive ? "exclusive" : "shared";
}

std::string_view to_string(LockState::State state) {
  switch (state) {
    case LockState::State::held:
      return "held";
    case LockState::State::expired:
      return "expired";
    case LockState::State::free:
      return "free";
    case LockState::State::unknown:
      break;
  }
  return "unknown";
}

std::string_view to_string(LockEvent::Kind kind) {
  constexpr std::array<std::string_view, 7> kWords = {"state", "acquired", "released", "expired",
                                                      "value", "waiting",  "broken"};
  return kWords.at(static_cast<std::size_t>(kind));
}

}  // namespace lockgate
