// SPDX-License-Identifier: Apache-2.0
// Times as they are written in JSON.
#pragma once

#include <optional>
#include <string_view>

#include "core/clock.hpp"

namespace lockgate::http {

/// "2026-03-01T12:00:00.250Z", with any number of digits of a second; empty for anything else.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace lockgate::http
