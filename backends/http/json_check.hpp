// SPDX-License-Identifier: Apache-2.0
// Whether a text is JSON that means one thing only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockgate::http {

struct JsonFlaw {
  std::size_t offset = 0;  // byte
  std::string what;        // "the member \"uuid\" comes twice"
};

constexpr std::size_t kMaxJsonDepth = 16;

/// Empty if `text` is one JSON value, nested at most kMaxJsonDepth deep, no object in it with the same member twice (of
/// two readers each would believe another), and nothing behind it. A text without a flaw can be given to any parser.
std::optional<JsonFlaw> find_json_flaw(std::string_view text);

}  // namespace lockgate::http
