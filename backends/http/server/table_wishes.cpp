// SPDX-License-Identifier: Apache-2.0
// Who gets a lock: wishes, grants, queues.
#include <fmt/format.h>

#include <algorithm>

#include "backends/http/server/lock_table_impl.hpp"
#include "core/handle.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kKeepHungUp = 900ms;  // for one who lost its connection and comes back

/// A place in the queue is of the one who took it: another's acquirer id opens nothing.
std::string own_id(const std::string& principal, const std::string& acquirer_id) {
  return acquirer_id.empty() || principal.empty() ? acquirer_id : principal + '\n' + acquirer_id;
}

AcquireAnswer answer_of(AcquireAnswer::Kind kind) {
  AcquireAnswer answer;
  answer.kind = kind;
  return answer;
}

}  // namespace

Ticket LockTable::Impl::acquire(AcquireOrder order, Done done) {
  if (stopped_) {
    done(answer_of(AcquireAnswer::Kind::stopping));
    return 0;
  }
  acquired_.prune(now());
  if (const auto repeated = repeat(order, done)) {
    return *repeated;
  }
  order.wish.acquirer_id = own_id(order.wish.about.principal, order.wish.acquirer_id);
  if (order.wish.acquirer_id.empty()) {
    order.wait = AcquireOrder::Wait::no;  // there is no place to wait at
  }
  if (const std::string limit = limit_reached(order); !limit.empty()) {
    AcquireAnswer full = answer_of(AcquireAnswer::Kind::full);
    full.what = limit;
    done(full);
    return 0;
  }
  const Ticket ticket = ++last_ticket_;
  wishes_.emplace(ticket, Wish{std::move(order), std::move(done), now()});
  admit(ticket);
  return ticket;
}

/// A request that was carried out before is answered as it was. Empty: this was none.
std::optional<Ticket> LockTable::Impl::repeat(const AcquireOrder& order, const Done& done) {
  const std::string& principal = order.wish.about.principal;
  const std::string& name = order.name.text();
  const std::string* known = acquired_.find(request_key(principal, name, order.request_id));
  if (known == nullptr) {
    return std::nullopt;
  }
  if (const LeaseHolder* live = find_hold(name, *known, principal).first;
      live != nullptr && live->mode != order.wish.mode) {
    done(answer_of(AcquireAnswer::Kind::reused));
    return 0;
  }
  // Whoever asks again had no answer, and counts from now.
  const RenewAnswer renewed = renew({order.name, *known, principal, {}, {}, {}});
  if (renewed.answer != HandleAnswer::done) {
    done(answer_of(AcquireAnswer::Kind::ended));
    return 0;
  }
  const Ticket ticket = ++last_ticket_;
  wishes_.emplace(ticket, Wish{order, done, now(), Wish::Stage::granted});
  barrier(
      [this, ticket, name, holder = renewed.holder](Durability how) { on_repeat_written(ticket, name, holder, how); });
  return ticket;
}

void LockTable::Impl::on_repeat_written(Ticket ticket, const std::string& name, const LeaseHolder& holder,
                                        Durability how) {
  // The grant itself may not have been written, and was undone then.
  const LeaseHolder* live = find_hold(name, holder.handle, holder.about.principal).first;
  if (how == Durability::failed || live == nullptr) {
    answer(ticket, answer_of(AcquireAnswer::Kind::not_durable));
    return;
  }
  if (!wishes_.contains(ticket)) {
    not_heard_of(name, holder);
    return;
  }
  AcquireAnswer again = answer_of(AcquireAnswer::Kind::granted);
  again.holder = *live;
  again.ttl_left = live->expires - now();
  again.waited = true;
  answer(ticket, again);
}

std::string LockTable::Impl::limit_reached(const AcquireOrder& order) {
  const Entry* entry = find(order.name.text());
  if (entry == nullptr) {
    return locks_.size() >= limits_.locks
               ? fmt::format("there are {} locks already, which is this server's limit", limits_.locks)
               : "";
  }
  const LeaseWish& wish = order.wish;
  const bool queues = !wish.acquirer_id.empty() && wish.keep_place > Duration::zero();
  if (queues && entry->lock.queue.size() >= limits_.waiters_per_lock &&
      entry->lock.queue.find(wish.acquirer_id) == nullptr) {
    return fmt::format("{} wait for this lock already, which is this server's limit", limits_.waiters_per_lock);
  }
  return wish.mode == Mode::shared && entry->lock.holders.size() >= limits_.holders_per_lock
             ? fmt::format("{} share this lock already, which is this server's limit", limits_.holders_per_lock)
             : "";
}

void LockTable::Impl::admit(Ticket ticket) {
  Wish& wish = wishes_.at(ticket);
  const std::string name = wish.order.name.text();
  if (!journal_.healthy()) {
    answer(ticket, answer_of(AcquireAnswer::Kind::not_durable));
    return;
  }
  Entry& entry = entry_of(name);
  expire(name, entry);
  LeaseWish asked = wish.order.wish;
  if (const auto before = entry.parked.extract(asked.acquirer_id)) {
    // Parked, it kept its place for ever. What comes now may be a try, which leaves the place as it is.
    keep_place(entry.lock, asked.acquirer_id, now() + wishes_.at(before.mapped()).order.wish.keep_place);
    answer(before.mapped(), answer_of(AcquireAnswer::Kind::superseded));
  }
  asked.handle = new_handle();
  asked.about.since = world_.wall_now();
  if (wish.order.wait == AcquireOrder::Wait::park) {
    asked.keep_place = kNever;  // for as long as it is parked
  }
  const bool had_place = entry.lock.queue.find(asked.acquirer_id) != nullptr;
  const auto result = grace_left() > Duration::zero() ? wait_in_line(entry.lock, asked, now())
                                                      : lockgate::acquire(entry.lock, asked, now(), wall_token());
  if (const auto* queued = std::get_if<Queued>(&result)) {
    queue_up(ticket, wish, entry, queued->ahead, had_place);
  } else {
    grant(ticket, wish, std::get<LeaseHolder>(result), From::wish);
  }
  serve_queue(name);
  settle(name);
}

void LockTable::Impl::queue_up(Ticket ticket, const Wish& wish, Entry& entry, std::size_t ahead, bool had_place) {
  const LeaseWish& wanted = wish.order.wish;
  if (!had_place) {
    ++counters_.conflicts;
    if (entry.lock.queue.find(wanted.acquirer_id) != nullptr) {
      tell_waiting(wish.order.name.text(), wanted);
    }
  }
  if (wish.order.wait == AcquireOrder::Wait::park) {
    entry.parked[wanted.acquirer_id] = ticket;
    return;
  }
  answer(ticket, not_now(ahead));
}

AcquireAnswer LockTable::Impl::not_now(std::size_t ahead) const {
  AcquireAnswer later = answer_of(AcquireAnswer::Kind::must_wait);
  later.ahead = ahead;
  later.grace_left = grace_left();
  if (later.grace_left > Duration::zero()) {
    later.kind = AcquireAnswer::Kind::grace;
  }
  return later;
}

/// The hold is in the lock; its owner hears of it when it is durable.
void LockTable::Impl::grant(Ticket ticket, Wish& wish, const LeaseHolder& holder, From from) {
  const std::string name = wish.order.name.text();
  wish.stage = Wish::Stage::granted;
  if (const std::string key = request_key(holder.about.principal, name, wish.order.request_id); !key.empty()) {
    locks_.at(name).requests[holder.handle] = key;
    acquired_.remember(key, holder.handle);
  }
  ++counters_.grants;
  if (on_wait) {
    on_wait(now() - wish.since);
  }
  journal_.append(HoldGranted{name, holder, wish.order.request_id}, [this, ticket, name, holder, from](Durability how) {
    on_grant_written(ticket, name, holder, from, how);
  });
}

void LockTable::Impl::on_grant_written(Ticket ticket, const std::string& name, const LeaseHolder& holder, From from,
                                       Durability how) {
  if (how == Durability::failed) {
    undo_grant(name, holder.handle);
    answer(ticket, answer_of(AcquireAnswer::Kind::not_durable));
    return;
  }
  const LeaseHolder* live = find_hold(name, holder.handle, holder.about.principal).first;
  if (live == nullptr) {  // broken or run out meanwhile
    answer(ticket, answer_of(AcquireAnswer::Kind::ended));
    return;
  }
  tell(name, LockEvent::Kind::acquired, *live);
  AcquireAnswer granted = answer_of(AcquireAnswer::Kind::granted);
  granted.holder = *live;
  granted.waited = from == From::queue;
  // Who was not parked counts from before the request was sent, and so from before the grant.
  granted.ttl_left = granted.waited ? std::min(live->ttl, live->expires - now()) : live->ttl;
  if (wishes_.contains(ticket)) {
    answer(ticket, granted);
  } else {
    not_heard_of(name, holder);
  }
}

/// As if it had not been granted: the same request may be granted again.
void LockTable::Impl::undo_grant(const std::string& name, const std::string& handle) {
  Entry* entry = find(name);
  if (entry == nullptr || !entry->lock.holders.take(handle)) {
    return;
  }
  if (const auto request = entry->requests.extract(handle)) {
    acquired_.forget(request.mapped());
  }
  journal_.append(HoldEnded{name, handle, "", ""}, nullptr);
  serve_queue(name);
  settle(name);
}

/// The one answer to a wish, which is then forgotten.
void LockTable::Impl::answer(Ticket ticket, const AcquireAnswer& what) {
  if (auto wish = wishes_.extract(ticket)) {
    wish.mapped().done(what);
  }
}

/// Grants to those at the head of the queue who are here. One who is away, but has a place, is waited for.
void LockTable::Impl::serve_queue(const std::string& name) {
  Entry* entry = find(name);
  if (entry == nullptr || entry->parked.empty() || stopped_ || !journal_.healthy() || grace_left() > Duration::zero()) {
    return;
  }
  for (const std::string& id : next_in_line(entry->lock)) {
    const auto parked = entry->parked.extract(id);
    if (!parked) {
      continue;
    }
    Wish& wish = wishes_.at(parked.mapped());
    LeaseWish asked = wish.order.wish;
    asked.handle = new_handle();
    asked.about.since = world_.wall_now();
    // Whoever is next in line is granted: nothing stands between that answer and this.
    const auto holder = std::get<LeaseHolder>(lockgate::acquire(entry->lock, asked, now(), wall_token()));
    grant(parked.mapped(), wish, holder, From::queue);
  }
}

void LockTable::Impl::end_wait(Ticket ticket) {
  const auto found = wishes_.find(ticket);
  if (found == wishes_.end() || found->second.stage == Wish::Stage::granted) {
    return;  // the grant is about to be told
  }
  const AcquireOrder& order = found->second.order;
  const std::string name = order.name.text();
  std::size_t ahead = 0;
  if (Entry* entry = find(name); entry != nullptr) {
    entry->parked.erase(order.wish.acquirer_id);
    ahead = entry->lock.queue.ahead_of(order.wish.acquirer_id);
    keep_place(entry->lock, order.wish.acquirer_id, now() + order.wish.keep_place);
    settle(name);
  }
  answer(ticket, not_now(ahead));
}

void LockTable::Impl::abandon(Ticket ticket) {
  const auto wish = wishes_.extract(ticket);  // a grant on its way finds nobody then
  if (!wish || wish.mapped().stage == Wish::Stage::granted) {
    return;
  }
  const AcquireOrder& order = wish.mapped().order;
  if (Entry* entry = find(order.name.text()); entry != nullptr) {
    entry->parked.erase(order.wish.acquirer_id);
    keep_place(entry->lock, order.wish.acquirer_id, now() + kKeepHungUp);
    settle(order.name.text());
  }
}

bool LockTable::Impl::leave(const std::string& name, const std::string& acquirer_id, const std::string& principal) {
  Entry* entry = find(name);
  if (entry == nullptr) {
    return false;
  }
  const std::string id = own_id(principal, acquirer_id);
  if (const auto parked = entry->parked.extract(id)) {
    answer(parked.mapped(), answer_of(AcquireAnswer::Kind::superseded));
  }
  const bool left = lockgate::leave(entry->lock, id);
  serve_queue(name);
  settle(name);
  return left;
}

}  // namespace lockgate::server
