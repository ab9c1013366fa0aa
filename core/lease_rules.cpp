// SPDX-License-Identifier: Apache-2.0
#include "core/lease_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/handle.hpp"

namespace lockgate {
namespace {

/// `now + length`, where a length may be for ever.
StoreTime end_of(StoreTime now, Duration length) {
  return length > kNever - now ? kNever : now + length;
}

bool compatible(const LeaseLock& lock, Mode mode) {
  return lock.holders.empty() || (mode == Mode::shared && lock.holders.front().mode == Mode::shared);
}

std::uint64_t token_for(const LeaseLock& lock, Mode mode, std::uint64_t wall_token) {
  if (mode == Mode::shared) {
    return lock.last_token;
  }
  if (lock.last_token == std::numeric_limits<std::uint64_t>::max()) {
    throw Error(ExitCode::not_understood, "the fencing token of this lock cannot grow any more",
                "somebody wrote the largest number there is; remove what is stored of the lock");
  }
  return std::max(lock.last_token + 1, wall_token);
}

LeaseHolder grant(LeaseLock& lock, const LeaseWish& wish, StoreTime now, std::uint64_t wall_token) {
  LeaseHolder holder;
  holder.handle = wish.handle;
  holder.mode = wish.mode;
  holder.acquirer_id = wish.acquirer_id;
  holder.token = token_for(lock, wish.mode, wall_token);
  holder.ttl = wish.ttl;
  holder.expires = end_of(now, wish.ttl);
  holder.about = wish.about;
  lock.last_token = holder.token;
  lock.queue.take(wish.acquirer_id);
  return lock.holders.add(std::move(holder));
}

/// Makes a place, or keeps the one that there is.
void queue_up(LeaseLock& lock, const LeaseWish& wish, StoreTime now) {
  const StoreTime until = end_of(now, wish.keep_place);
  About about = wish.about;
  about.published = {};
  const auto come_back = [&](LeaseWaiter& waiter) {
    about.since = waiter.about.since;
    waiter.mode = wish.mode;
    waiter.expires = until;
    waiter.about = about;
  };
  if (lock.queue.alter(wish.acquirer_id, come_back) == nullptr) {
    lock.queue.add({wish.acquirer_id, wish.mode, until, std::move(about)});
  }
}

bool is_live(const LeaseHolder* holder, StoreTime now) {
  return holder != nullptr && now < holder->expires;
}

WaiterInfo show(const LeaseWaiter& waiter) {
  return {waiter.about.host, waiter.about.pid, waiter.about.user, waiter.mode, waiter.about.since};
}

}  // namespace

Expired expire(LeaseLock& lock, StoreTime now) {
  return {lock.holders.take_expired(now), lock.queue.take_expired(now)};
}

bool may_have(const LeaseLock& lock, const LeaseWish& wish) {
  if (!compatible(lock, wish.mode)) {
    return false;
  }
  if (lock.queue.empty()) {
    return true;
  }
  if (wish.mode == Mode::shared && wish.pass_queue && !lock.holders.empty()) {
    return true;
  }
  if (wish.acquirer_id.empty()) {
    return false;
  }
  return wish.mode == Mode::shared ? !lock.queue.has_exclusive_before(wish.acquirer_id)
                                   : lock.queue.front().acquirer_id == wish.acquirer_id;
}

std::variant<LeaseHolder, Queued> acquire(LeaseLock& lock, const LeaseWish& wish, StoreTime now,
                                          std::uint64_t wall_token) {
  if (may_have(lock, wish)) {
    return grant(lock, wish, now, wall_token);
  }
  return wait_in_line(lock, wish, now);
}

Queued wait_in_line(LeaseLock& lock, const LeaseWish& wish, StoreTime now) {
  if (!wish.acquirer_id.empty() && wish.keep_place > Duration::zero()) {
    queue_up(lock, wish, now);
  }
  return {lock.queue.ahead_of(wish.acquirer_id)};
}

bool restore(LeaseLock& lock, const LeaseHolder& holder) {
  if (!compatible(lock, holder.mode) || lock.holders.find(holder.handle) != nullptr) {
    return false;
  }
  lock.last_token = std::max(lock.last_token, holder.token);
  lock.holders.add(holder);
  return true;
}

const LeaseHolder* renew(LeaseLock& lock, const std::string& handle, StoreTime now, std::optional<Duration> ttl) {
  if (!is_live(lock.holders.find(handle), now)) {
    return nullptr;
  }
  return lock.holders.alter(handle, [&](LeaseHolder& holder) {
    holder.ttl = ttl.value_or(holder.ttl);
    holder.expires = end_of(now, holder.ttl);
  });
}

bool end_by(LeaseLock& lock, const std::string& handle, StoreTime now, StoreTime when) {
  if (!is_live(lock.holders.find(handle), now)) {
    return false;
  }
  lock.holders.alter(handle, [&](LeaseHolder& holder) { holder.expires = std::min(holder.expires, when); });
  return true;
}

std::optional<LeaseHolder> release(LeaseLock& lock, const std::string& handle, StoreTime now) {
  return is_live(lock.holders.find(handle), now) ? lock.holders.take(handle) : std::nullopt;
}

bool leave(LeaseLock& lock, const std::string& acquirer_id) {
  return lock.queue.take(acquirer_id).has_value();
}

bool keep_place(LeaseLock& lock, const std::string& acquirer_id, StoreTime until) {
  return lock.queue.alter(acquirer_id, [&](LeaseWaiter& waiter) { waiter.expires = until; }) != nullptr;
}

const LeaseHolder* set_value(LeaseLock& lock, const std::string& handle, const std::optional<std::string>& value,
                             StoreTime now) {
  if (!is_live(lock.holders.find(handle), now)) {
    return nullptr;
  }
  return lock.holders.alter(handle, [&](LeaseHolder& holder) { holder.about.published.value = value; });
}

std::optional<StoreTime> next_expiry(const LeaseLock& lock) {
  const std::optional<StoreTime> hold = lock.holders.next_expiry();
  const std::optional<StoreTime> place = lock.queue.next_expiry();
  return hold && place ? std::min(hold, place) : std::max(hold, place);
}

std::vector<std::string> next_in_line(const LeaseLock& lock) {
  std::vector<std::string> next;
  for (const auto& [place, waiter] : lock.queue.in_order()) {
    const bool alone = waiter.mode == Mode::exclusive;
    if (!compatible(lock, waiter.mode) || (alone && !next.empty())) {
      break;
    }
    next.push_back(waiter.acquirer_id);
    if (alone) {
      break;
    }
  }
  return next;
}

HolderInfo describe_holder(const LeaseHolder& holder, StoreTime now, WallTime wall_now) {
  HolderInfo info;
  info.id = public_id_text(holder.handle);
  info.mode = holder.mode;
  info.host = holder.about.host;
  info.pid = holder.about.pid;
  info.user = holder.about.user;
  info.published = holder.about.published;
  info.acquired_at = holder.about.since;
  if (holder.expires != kNever) {
    info.expires_at = wall_now + std::chrono::duration_cast<WallTime::duration>(holder.expires - now);
  }
  return info;
}

LockState describe_lock(const std::string& name, const LeaseLock& lock, StoreTime now, WallTime wall_now) {
  LockState state;
  state.name = name;
  state.key = name;
  bool any_live = false;
  for (const auto& [place, holder] : lock.holders.in_order()) {
    any_live = any_live || now < holder.expires;
  }
  for (const auto& [place, holder] : lock.holders.in_order()) {
    if (now < holder.expires || !any_live) {
      state.mode = holder.mode;
      state.holders.push_back(describe_holder(holder, now, wall_now));
    }
  }
  for (const auto& [place, waiter] : lock.queue.in_order()) {
    if (now < waiter.expires) {
      state.waiters.push_back(show(waiter));
    }
  }
  if (lock.last_token != 0) {
    state.token = lock.last_token;
  }
  state.state = any_live                ? LockState::State::held
                : state.holders.empty() ? LockState::State::free
                                        : LockState::State::expired;
  return state;
}

}  // namespace lockgate
