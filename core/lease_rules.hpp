// SPDX-License-Identifier: Apache-2.0
// The rules of a lock whose holds are leases: who gets it, who waits, what ends. Pure: no clock, no I/O; every function
// takes the state, the wish and the time, so that each rule is a test with a clock turned by hand. Used by the server's
// table and by every store in which a record is replaced if it has not changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/lease_list.hpp"
#include "core/lock.hpp"

namespace lockgate {

/// What a holder or waiter tells of itself; nothing here is decided by it.
struct About {
  std::string host;
  std::optional<pid_t> pid;
  std::string user;
  Published published;
  WallTime since;         // when it was granted, or began to wait
  std::string principal;  // whose credentials it came with; empty where there are none. Never shown to others
};

/// One hold. Readers are holders of their own, each with its own handle and expiry.
struct LeaseHolder {
  std::string handle;
  Mode mode = Mode::exclusive;
  std::string acquirer_id;  // empty: anonymous
  std::uint64_t token = 0;
  Duration ttl{};
  StoreTime expires{};  // held while now < expires
  About about;

  [[nodiscard]] const std::string& key() const { return handle; }
};

/// One place in the queue. Anonymous acquirers have none.
struct LeaseWaiter {
  std::string acquirer_id;
  Mode mode = Mode::exclusive;
  StoreTime expires{};  // the place is lost then unless its owner comes back
  About about;          // nothing of what its owner would publish with the hold

  [[nodiscard]] const std::string& key() const { return acquirer_id; }
};

/// One lock.
struct LeaseLock {
  LeaseList<LeaseHolder> holders;  // by handle; all shared, or one exclusive
  LeaseList<LeaseWaiter> queue;    // by acquirer id; first come, first served
  std::uint64_t last_token = 0;    // of the last exclusive owner; 0: there was none

  [[nodiscard]] bool empty() const { return holders.empty() && queue.empty(); }
};

/// What is wanted of a lock.
struct LeaseWish {
  std::string handle;       // the handle that the hold is to have
  std::string acquirer_id;  // its place in the queue; empty: anonymous, which never queues
  Mode mode = Mode::exclusive;
  Duration ttl{};
  /// How long a place in the queue is kept for one who does not come back; zero: a try, which leaves no place; kNever:
  /// until somebody says otherwise.
  Duration keep_place{};
  /// An ancestor shares the lock already: a shared wish must not queue behind writers that wait for that ancestor. It
  /// counts only while the lock is shared: nobody jumps a queue by saying so.
  bool pass_queue = false;
  About about;
};

struct Queued {
  std::size_t ahead = 0;  // waiters that will be served before
};

/// What came to its end by itself.
struct Expired {
  std::vector<LeaseHolder> holders;
  std::vector<LeaseWaiter> waiters;
};

/// Takes out holds and places whose time has come: expiry <= now. To be called before every other transition; those
/// below do so themselves only where they say it.
Expired expire(LeaseLock& lock, StoreTime now);

/// True if `wish` would be granted now, seen from its place in the queue (or its end, if it has none): compatible with
/// the holders, and with nobody ahead whom it would overtake. Readers do not overtake a waiting writer, and may go
/// beside waiting readers; the anonymous overtake nobody.
[[nodiscard]] bool may_have(const LeaseLock& lock, const LeaseWish& wish);

/// Grants (the holder that was added) or queues. A wish whose acquirer has a place keeps it, with its first `since`; a
/// grant takes the place away. With `keep_place` zero no place is made, but one that exists is left as it is.
/// `wall_token`: the wall clock in microseconds; an exclusive owner's token is max(last + 1, wall_token), a shared
/// holder's is the last exclusive owner's. Throws Error(not_understood) where a stored token cannot grow any more.
std::variant<LeaseHolder, Queued> acquire(LeaseLock& lock, const LeaseWish& wish, StoreTime now,
                                          std::uint64_t wall_token);

/// Queues, or keeps a place that there is, whether or not the lock could be had: for a store that grants nothing just
/// now. Without an acquirer id or with `keep_place` zero nothing changes.
Queued wait_in_line(LeaseLock& lock, const LeaseWish& wish, StoreTime now);

/// Puts a hold back as it was, from what is known elsewhere; tokens go on from its own. False: another hold is in the
/// way, or has its handle, and nothing changed. It does not ask the queue.
bool restore(LeaseLock& lock, const LeaseHolder& holder);

/// A live hold lasts for its TTL from `now` on, or for another one. Null: there is no such hold, or it has expired
/// (expiry <= now), and nothing changed: what has ended does not come back.
const LeaseHolder* renew(LeaseLock& lock, const std::string& handle, StoreTime now, std::optional<Duration> ttl = {});

/// A live hold ends then if it would not have ended before; when it is renewed, it has its TTL again. False: no live
/// hold.
bool end_by(LeaseLock& lock, const std::string& handle, StoreTime now, StoreTime when);

/// The hold that was taken out; empty: there is none, and nothing changed.
std::optional<LeaseHolder> release(LeaseLock& lock, const std::string& handle, StoreTime now);

/// Gives up a place in the queue. False: it had none.
bool leave(LeaseLock& lock, const std::string& acquirer_id);

/// Keeps a place until then. False: it has none.
bool keep_place(LeaseLock& lock, const std::string& acquirer_id, StoreTime until);

/// Null: no live hold with that handle.
const LeaseHolder* set_value(LeaseLock& lock, const std::string& handle, const std::optional<std::string>& value,
                             StoreTime now);

/// The next moment at which expire() has something to do; empty: never.
[[nodiscard]] std::optional<StoreTime> next_expiry(const LeaseLock& lock);

/// The acquirers at the head of the queue who could be granted together now: one writer, or readers up to the first
/// writer; empty while holders are in the way.
[[nodiscard]] std::vector<std::string> next_in_line(const LeaseLock& lock);

/// A hold, as others may see it.
[[nodiscard]] HolderInfo describe_holder(const LeaseHolder& holder, StoreTime now, WallTime wall_now);

/// As others may see it. Holds whose time has come are shown only where no other is left: the lock is then `expired`.
[[nodiscard]] LockState describe_lock(const std::string& name, const LeaseLock& lock, StoreTime now, WallTime wall_now);

}  // namespace lockgate
