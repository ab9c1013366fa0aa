// SPDX-License-Identifier: Apache-2.0
// JSON from outside: well-formed, not too deep, no key twice in an object (of two values for one key different readers
// take different ones).
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockgate {

struct JsonFlaw {
  std::size_t offset = 0;  // byte, from 0
  std::string what;        // "a key that stands there twice", "nested too deep", "unexpected end"
};

constexpr std::size_t kMaxJsonDepth = 16;  // of what is said over HTTP

/// Reads `text` into `json`, or says what is wrong with it; `json` is then of no use. Any bytes; reads no further than
/// the first flaw.
std::optional<JsonFlaw> read_json(std::string_view text, std::size_t max_depth, nlohmann::json& json);

/// What is wrong with `text`, or nothing.
std::optional<JsonFlaw> find_json_flaw(std::string_view text, std::size_t max_depth);

}  // namespace lockgate
