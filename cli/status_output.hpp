// SPDX-License-Identifier: Apache-2.0
// The state of locks as a table for people and as JSON for programs, from the same values.
#pragma once

#include <string>
#include <vector>

#include "core/lock.hpp"

namespace lockgate {

enum class Style { plain, colour };
/// A table of every lock shows those that matter: held, waited for, or unknown. One of named locks shows each.
enum class ShowFree { no, yes };

/// NAME MODE HOLDER SINCE EXPIRES WAITING VALUE, a line for each holder. Ends with a newline; empty where nothing is
/// to be shown.
std::string to_table(const std::vector<LockState>& locks, WallTime now, Style style, ShowFree show_free);

struct BackendLabel {
  std::string kind;
  std::string target;
};

enum class Layout { indented, one_line };

/// The JSON document of `status --json`, with a newline. Text that is no UTF-8 has its bad bytes replaced.
std::string to_json(const BackendLabel& backend, const std::vector<LockState>& locks, Layout layout);

/// The JSON document of `get --json`: the lock and those of its holders that have a value.
std::string values_to_json(const LockState& lock);

/// A line of `watch`: when, which lock, what happened, whose doing it is. One line, whatever others have published.
std::string to_line(const LockEvent& event);

/// The same as one line of JSON.
std::string to_json_line(const LockEvent& event);

}  // namespace lockgate
