// SPDX-License-Identifier: Apache-2.0
// LOCKGATE_HELD: the holds of the ancestors of this process, so that nobody waits for a lock that only he himself
// could give back. One hold a line: backend URL, name and handle, percent-encoded, apart by spaces.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/backend.hpp"

namespace lockgate {

struct HeldEntry {
  LockIdentity lock;
  std::string handle;
};

/// Lines that are none are left out: the variable may come from anywhere, and counts only where it is confirmed.
std::vector<HeldEntry> parse_held(std::string_view text);
std::string to_line(const HeldEntry& entry);

/// How an ancestor stands to a lock.
enum class AncestorHold { none, shared, exclusive };

/// Asks the backend about each entry that names the same lock; what it does not confirm does not count.
AncestorHold ancestor_hold(const std::vector<HeldEntry>& held, Backend& backend, const LockName& name);

}  // namespace lockgate
