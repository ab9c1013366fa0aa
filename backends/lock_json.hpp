// SPDX-License-Identifier: Apache-2.0
// Locks, holders and events as JSON, in the one form that `status --json`, `watch --json` and the HTTP API share.
#pragma once

#include <string>
#include <string_view>

#include "core/lock.hpp"

namespace lockgate {

// Each returns JSON on one line. Bytes that are no UTF-8 are replaced. Handles are in none of them.

/// `text` as a string of JSON, with its quotes.
std::string json_string(std::string_view text);
/// {"name","key","mode","state","fencing_token","holders":[...],"waiters":[...]}
std::string lock_json(const LockState& lock);
/// {"id","mode","host","pid","user","command","reason","value","acquired_at","expires_at"}
std::string holder_json(const HolderInfo& holder);
/// {"time","name","event","holder","value","fencing_token"}; with `waiting`, the waiter stands as the holder.
std::string event_json(const LockEvent& event);

}  // namespace lockgate
