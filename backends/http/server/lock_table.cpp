// SPDX-License-Identifier: Apache-2.0
// Who gets a lock: wishes, grants, queues.
#include "backends/http/server/lock_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backends/http/server/lock_table_impl.hpp"
#include "core/handle.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kKeepHungUp = 900ms;  // for one who lost its connection and comes back
constexpr Duration kKeepUnheard = 2s;
constexpr Duration kRetryJournal = 1s;

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

LockTable::Impl::Impl(Journal& journal, TableLimits limits, TableWorld world)
    : journal_(journal), limits_(limits), world_(std::move(world)) {
  const JournalContent content = journal_.load();
  token_floor_ = content.token_floor;
  if (!journal_.durable()) {
    grace_until_ = now() + limits_.max_ttl;
  }
  for (const HoldGranted& hold : content.holds) {
    Entry& entry = locks_[hold.name];
    LeaseHolder holder = hold.holder;
    holder.expires = now() + holder.ttl;  // nobody knows how long the server was away
    if (restore(entry.lock, holder)) {
      entry.requests[holder.handle] = hold.request_id;
      acquired_.remember(hold.request_id, holder.handle);
    }
  }
  for (const HoldEnded& ended : content.releases) {
    released_.remember(ended.request_id, ended.handle);
    released_.keep_until(ended.request_id, now() + 2min);
  }
  std::vector<std::string> names;
  for (const auto& [name, entry] : locks_) {
    names.push_back(name);
  }
  for (const std::string& name : names) {
    settle(name);
  }
}

std::uint64_t LockTable::Impl::wall_token() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(world_.wall_now().time_since_epoch().count(), 0));
}

Duration LockTable::Impl::grace_left() const {
  return std::max(Duration::zero(), grace_until_ - now());
}

LockTable::Impl::Entry& LockTable::Impl::entry_of(const std::string& name) {
  const auto [found, is_new] = locks_.try_emplace(name);
  if (is_new) {
    // Its own last token may have been forgotten with it, but not a greater one.
    found->second.lock.last_token = token_floor_;
  }
  return found->second;
}

Ticket LockTable::Impl::acquire(AcquireOrder order, Done done) {
  if (stopped_) {
    done(answer_of(AcquireAnswer::Kind::stopping));
    return 0;
  }
  acquired_.prune(now());
  if (repeat(order, done)) {
    return 0;
  }
  if (const std::string limit = limit_reached(order); !limit.empty()) {
    AcquireAnswer full = answer_of(AcquireAnswer::Kind::full);
    full.what = limit;
    done(full);
    return 0;
  }
  order.wish.acquirer_id = own_id(order.wish.about.principal, order.wish.acquirer_id);
  const Ticket ticket = ++last_ticket_;
  const bool waits = order.wait == AcquireOrder::Wait::park;
  Wish& wish = wishes_.emplace(ticket, Wish{std::move(order), std::move(done), now()}).first->second;
  if (grace_left() > Duration::zero()) {
    wish.stage = Wish::Stage::grace;
    in_grace_.push_back(ticket);
    set_alarm();
    if (!waits) {
      end_wait(ticket);
    }
    return ticket;
  }
  admit(ticket);
  return ticket;
}

/// A request that was carried out before is answered as it was. True: this was one.
bool LockTable::Impl::repeat(const AcquireOrder& order, const Done& done) {
  const std::string* handle = acquired_.find(order.request_id);
  if (handle == nullptr) {
    return false;
  }
  const std::string& principal = order.wish.about.principal;
  if (find_hold(order.name.text(), *handle, principal).second != HandleAnswer::done) {
    done(answer_of(AcquireAnswer::Kind::ended));
    return true;
  }
  // Whoever asks again had no answer, and counts from now.
  const RenewAnswer renewed = renew({order.name, *handle, principal, order.wish.ttl, {}, {}});
  AcquireAnswer again = answer_of(AcquireAnswer::Kind::granted);
  again.holder = renewed.holder;
  again.ttl_left = renewed.holder.ttl;
  again.waited = true;
  barrier([done, again](Durability how) {
    done(how == Durability::durable ? again : answer_of(AcquireAnswer::Kind::not_durable));
  });
  return true;
}

std::string LockTable::Impl::limit_reached(const AcquireOrder& order) {
  const Entry* entry = find(order.name.text());
  if (entry == nullptr) {
    return locks_.size() >= limits_.locks
               ? fmt::format("there are {} locks already, which is this server's limit", limits_.locks)
               : "";
  }
  const bool queues = order.wish.keep_place > Duration::zero();
  if (queues && entry->lock.queue.size() >= limits_.waiters_per_lock &&
      entry->lock.queue.find(own_id(order.wish.about.principal, order.wish.acquirer_id)) == nullptr) {
    return fmt::format("{} wait for this lock already, which is this server's limit", limits_.waiters_per_lock);
  }
  return entry->lock.holders.size() >= limits_.holders_per_lock
             ? fmt::format("{} share this lock already, which is this server's limit", limits_.holders_per_lock)
             : "";
}

void LockTable::Impl::admit(Ticket ticket) {
  Wish& wish = wishes_.at(ticket);
  wish.stage = Wish::Stage::queued;
  const std::string name = wish.order.name.text();
  if (!journal_.healthy()) {
    answer(ticket, answer_of(AcquireAnswer::Kind::not_durable));
    return;
  }
  Entry& entry = entry_of(name);
  expire(name, entry);
  const std::string id = wish.order.wish.acquirer_id;
  if (const auto before = entry.parked.find(id); before != entry.parked.end()) {
    const Ticket old = before->second;
    entry.parked.erase(before);
    answer(old, answer_of(AcquireAnswer::Kind::superseded));
  }
  LeaseWish asked = wish.order.wish;
  asked.handle = new_handle();
  asked.about.since = world_.wall_now();
  if (wish.order.wait == AcquireOrder::Wait::park) {
    asked.keep_place = kNever;  // for as long as it is parked
  }
  const bool had_place = entry.lock.queue.find(id) != nullptr;
  const auto result = lockgate::acquire(entry.lock, asked, now(), wall_token());
  if (const auto* queued = std::get_if<Queued>(&result)) {
    queue_up(ticket, wish, entry, queued->ahead, had_place);
  } else {
    grant(ticket, wish, std::get<LeaseHolder>(result), From::wish);
  }
  serve_queue(name);
  settle(name);
}

void LockTable::Impl::queue_up(Ticket ticket, Wish& wish, Entry& entry, std::size_t ahead, bool had_place) {
  const LeaseWish& wanted = wish.order.wish;
  if (!had_place) {
    ++counters_.conflicts;
    if (wanted.keep_place > Duration::zero()) {
      tell_waiting(wish.order.name.text(), wanted);
    }
  }
  if (wish.order.wait == AcquireOrder::Wait::park) {
    entry.parked[wanted.acquirer_id] = ticket;
    return;
  }
  AcquireAnswer later = answer_of(AcquireAnswer::Kind::must_wait);
  later.ahead = ahead;
  answer(ticket, later);
}

/// The hold is in the lock; its owner hears of it when it is durable.
void LockTable::Impl::grant(Ticket ticket, Wish& wish, LeaseHolder holder, From from) {
  const std::string name = wish.order.name.text();
  const Duration waited = now() - wish.since;
  const bool was_parked = from == From::queue;
  wish.stage = Wish::Stage::granted;
  wish.handle = holder.handle;
  locks_.at(name).requests[holder.handle] = wish.order.request_id;
  acquired_.remember(wish.order.request_id, holder.handle);
  ++counters_.grants;
  if (on_wait) {
    on_wait(waited);
  }
  const std::string request = wish.order.request_id;
  journal_.append(HoldGranted{name, holder, request}, [this, ticket, name, holder, was_parked](Durability how) {
    on_grant_written(ticket, name, holder, was_parked, how);
  });
}

void LockTable::Impl::on_grant_written(Ticket ticket, const std::string& name, const LeaseHolder& holder, bool waited,
                                       Durability how) {
  Entry* entry = find(name);
  const LeaseHolder* live = entry == nullptr ? nullptr : entry->lock.holders.find(holder.handle);
  const bool has_listener = wishes_.contains(ticket);
  if (how == Durability::failed) {
    if (live != nullptr) {
      acquired_.forget(entry->requests[holder.handle]);
      lockgate::release(entry->lock, holder.handle, now());
      entry->requests.erase(holder.handle);
      journal_.append(HoldEnded{name, holder.handle, ""}, nullptr);
      settle(name);
    }
    answer(ticket, answer_of(AcquireAnswer::Kind::not_durable));
    return;
  }
  if (live == nullptr) {  // broken or run out meanwhile
    answer(ticket, answer_of(AcquireAnswer::Kind::ended));
    return;
  }
  tell(name, LockEvent::Kind::acquired, *live);
  AcquireAnswer granted = answer_of(AcquireAnswer::Kind::granted);
  // Who was not parked counts from before the request was sent, and so from before the grant.
  granted.ttl_left = waited ? std::min(live->ttl, live->expires - now()) : live->ttl;
  granted.waited = waited;
  granted.holder = holder;
  if (has_listener) {
    answer(ticket, granted);
  } else {
    not_heard_of(name, granted.holder.handle);
  }
}

/// The one answer to a wish, which is then forgotten.
void LockTable::Impl::answer(Ticket ticket, const AcquireAnswer& what) {
  if (auto wish = wishes_.extract(ticket)) {
    wish.mapped().done(what);
  }
}

/// Grants to those at the head of the queue who are here. One who is away, but has a place, is waited for.
void LockTable::Impl::serve_queue(const std::string& name) {
  for (bool any = true; any && !stopped_ && journal_.healthy();) {
    any = false;
    Entry* entry = find(name);
    for (const std::string& id : entry == nullptr ? std::vector<std::string>() : next_in_line(entry->lock)) {
      const auto parked = entry->parked.find(id);
      if (parked == entry->parked.end()) {
        continue;
      }
      const Ticket ticket = parked->second;
      entry->parked.erase(parked);
      Wish& wish = wishes_.at(ticket);
      LeaseWish asked = wish.order.wish;
      asked.handle = new_handle();
      asked.keep_place = kNever;
      asked.about.since = world_.wall_now();
      const auto result = lockgate::acquire(entry->lock, asked, now(), wall_token());
      if (const auto* holder = std::get_if<LeaseHolder>(&result)) {
        grant(ticket, wish, *holder, From::queue);
        any = true;
      } else {
        entry->parked[id] = ticket;
      }
    }
  }
}

void LockTable::Impl::end_wait(Ticket ticket) {
  const auto found = wishes_.find(ticket);
  if (found == wishes_.end() || found->second.stage == Wish::Stage::granted) {
    return;  // the grant is about to be told
  }
  Wish& wish = found->second;
  AcquireAnswer later = answer_of(AcquireAnswer::Kind::must_wait);
  if (wish.stage == Wish::Stage::grace) {
    std::erase(in_grace_, ticket);
    later.kind = AcquireAnswer::Kind::grace;
    later.grace_left = grace_left();
  } else if (Entry* entry = find(wish.order.name.text()); entry != nullptr) {
    const std::string& id = wish.order.wish.acquirer_id;
    entry->parked.erase(id);
    later.ahead = entry->lock.queue.ahead_of(id);
    keep_place(entry->lock, id, now() + wish.order.wish.keep_place);
    settle(wish.order.name.text());
  }
  answer(ticket, later);
}

void LockTable::Impl::abandon(Ticket ticket) {
  const auto found = wishes_.find(ticket);
  if (found == wishes_.end()) {
    return;
  }
  const Wish wish = std::move(found->second);
  wishes_.erase(found);  // a grant on its way finds nobody then, and is given back
  if (wish.stage == Wish::Stage::grace) {
    std::erase(in_grace_, ticket);
  } else if (Entry* entry = find(wish.order.name.text()); wish.stage == Wish::Stage::queued && entry != nullptr) {
    entry->parked.erase(wish.order.wish.acquirer_id);
    keep_place(entry->lock, wish.order.wish.acquirer_id, now() + kKeepHungUp);
    settle(wish.order.name.text());
  }
}

void LockTable::Impl::not_heard_of(const std::string& name, const std::string& handle) {
  if (Entry* entry = find(name); entry != nullptr) {
    lockgate::renew(entry->lock, handle, now(), kKeepUnheard);
    settle(name);
  }
}

bool LockTable::Impl::leave(const std::string& name, const std::string& acquirer_id, const std::string& principal) {
  Entry* entry = find(name);
  if (entry == nullptr) {
    return false;
  }
  const std::string id = own_id(principal, acquirer_id);
  if (const auto parked = entry->parked.find(id); parked != entry->parked.end()) {
    const Ticket ticket = parked->second;
    entry->parked.erase(parked);
    answer(ticket, answer_of(AcquireAnswer::Kind::superseded));
  }
  const bool left = lockgate::leave(entry->lock, id);
  serve_queue(name);
  settle(name);
  return left;
}

void LockTable::Impl::expire_due() {
  const StoreTime moment = now();
  while (!due_.empty() && due_.begin()->first <= moment) {
    const std::string name = due_.begin()->second;
    Entry& entry = locks_.at(name);
    due_.erase(due_.begin());
    entry.due.reset();
    expire(name, entry);
    serve_queue(name);
    settle(name);
  }
  if (!in_grace_.empty() && grace_left() == Duration::zero()) {
    for (const Ticket ticket : std::exchange(in_grace_, {})) {
      admit(ticket);
    }
  }
  set_alarm();
}

void LockTable::Impl::stop() {
  stopped_ = true;
  std::vector<Ticket> waiting;
  for (const auto& [ticket, wish] : wishes_) {
    if (wish.stage != Wish::Stage::granted) {
      waiting.push_back(ticket);
    }
  }
  for (const Ticket ticket : waiting) {
    answer(ticket, answer_of(AcquireAnswer::Kind::stopping));
  }
}

/// After a change: when the lock is to be looked at next. One that is empty is forgotten, all but its token.
void LockTable::Impl::settle(const std::string& name) {
  const auto found = locks_.find(name);
  if (found == locks_.end()) {
    return;
  }
  Entry& entry = found->second;
  std::optional<StoreTime> next = next_expiry(entry.lock);
  if (!journal_.healthy() && !entry.parked.empty()) {
    next = std::min(next.value_or(kNever), now() + kRetryJournal);  // nothing else would come back to those who wait
  }
  if (next != entry.due) {
    if (entry.due) {
      due_.erase({*entry.due, name});
    }
    if (next) {
      due_.emplace(*next, name);
    }
    entry.due = next;
  }
  if (entry.lock.empty() && entry.parked.empty()) {
    token_floor_ = std::max(token_floor_, entry.lock.last_token);
    locks_.erase(found);
  }
  set_alarm();
}

void LockTable::Impl::set_alarm() {
  std::optional<StoreTime> next = due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
  if (!in_grace_.empty()) {
    next = std::min(next.value_or(kNever), grace_until_);
  }
  world_.call_at(next ? std::optional(BootTime(*next)) : std::nullopt);
}

}  // namespace lockgate::server
