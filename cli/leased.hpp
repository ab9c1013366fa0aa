// SPDX-License-Identifier: Apache-2.0
// Locks with a lease, as `exec` and the keeper of `acquire` take and keep them.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "cli/session.hpp"
#include "core/timing.hpp"

namespace lockgate {

/// True if holds of this backend have a lease.
bool has_leases(const Session& session);

/// True if who uses the lock is told to end where it is lost: the command, or the owner process; unless --on-lost
/// says otherwise.
bool ends_what_uses_it(const Session& session);

/// How the lease is to be lived with, from what was asked for: --ttl, --kill-after, --on-lost. Throws Error(usage) for
/// what cannot be safe, so it is made before the lock is taken.
Timing wanted_timing(const Session& session, const Request& request);

/// A lock that was had, with enough of its lease left to begin.
struct Leased {
  Grant grant;
  Lease lease;  // of the grant
  Timing timing;
};

/// Takes the lock. Where the answer came so late that nothing could be begun any more, it is given back and taken
/// again, some times; then Error(unavailable).
std::variant<Leased, Busy> take_leased(Session& session, const Request& request, Waiting& waiting);

/// Gives it back at once. Errors are passed over: the lease ends by itself.
void release_quietly(Session& session, const Grant& grant);

}  // namespace lockgate
