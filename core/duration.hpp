// SPDX-License-Identifier: Apache-2.0
// Durations as people write and read them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace lockgate {

/// "250ms", "10s", "1m30s", "2h", or a bare number of seconds, fractions allowed ("0.5", "1.5m").
/// Empty for anything else: negative, unknown unit, units out of order, more than a hundred years.
std::optional<Duration> parse_duration(std::string_view text);

/// Short, for people: "250ms", "4.2s", "4m12s", "2h05m", "3d04h".
std::string format_duration(Duration duration);

}  // namespace lockgate
