// SPDX-License-Identifier: Apache-2.0
// What becomes of holds: renewed, released, run out, broken; and who hears of it.
#include <algorithm>
#include <memory>

#include "backends/http/server/lock_table_impl.hpp"
#include "core/handle.hpp"

namespace lockgate::server {
namespace {

constexpr Duration kRememberAtLeast = std::chrono::minutes(2);

HolderInfo info_of(const LeaseHolder& holder, StoreTime now, WallTime wall_now) {
  HolderInfo info;
  info.id = public_id_text(holder.handle);
  info.mode = holder.mode;
  info.host = holder.about.host;
  info.pid = holder.about.pid;
  info.user = holder.about.user;
  info.published = holder.about.published;
  info.acquired_at = holder.about.since;
  info.expires_at = wall_now + std::chrono::duration_cast<std::chrono::microseconds>(holder.expires - now);
  return info;
}

}  // namespace

LockTable::Impl::Entry* LockTable::Impl::find(const std::string& name) {
  const auto found = locks_.find(name);
  return found == locks_.end() ? nullptr : &found->second;
}

std::pair<const LeaseHolder*, HandleAnswer> LockTable::Impl::find_hold(const std::string& name,
                                                                       const std::string& handle,
                                                                       const std::string& principal) {
  Entry* entry = find(name);
  const LeaseHolder* holder = entry == nullptr ? nullptr : entry->lock.holders.find(handle);
  if (holder == nullptr || holder->expires <= now()) {
    return {nullptr, HandleAnswer::gone};
  }
  return holder->about.principal == principal ? std::pair(holder, HandleAnswer::done)
                                              : std::pair(nullptr, HandleAnswer::not_yours);
}

RenewAnswer LockTable::Impl::renew(const RenewOrder& order) {
  const std::string& name = order.name.text();
  auto [holder, what] = find_hold(name, order.handle, order.principal);
  const bool may_come_back = what == HandleAnswer::gone && grace_left() > Duration::zero() && !order.handle.empty();
  if (holder == nullptr && may_come_back) {
    LeaseHolder back;
    back.handle = order.handle;
    back.mode = order.mode.value_or(Mode::exclusive);
    back.token = order.token.value_or(wall_token());
    back.ttl = order.ttl.value_or(std::chrono::seconds(10));
    back.expires = now() + back.ttl;
    back.about.since = world_.wall_now();
    back.about.principal = order.principal;
    const bool restored = restore(entry_of(name).lock, back);
    settle(name);
    return {restored ? HandleAnswer::done : HandleAnswer::gone, back};
  }
  if (holder == nullptr) {
    return {what, {}};
  }
  const LeaseHolder* renewed = lockgate::renew(find(name)->lock, order.handle, now(), order.ttl);
  if (renewed == nullptr) {
    return {HandleAnswer::gone, {}};
  }
  ++counters_.renewals;
  RenewAnswer answer{HandleAnswer::done, *renewed};
  settle(name);
  return answer;
}

void LockTable::Impl::release(const ReleaseOrder& order, std::function<void(HandleAnswer)> done) {
  const auto answer = std::move(done);
  const auto written = [answer](Durability how) {
    answer(how == Durability::durable ? HandleAnswer::done : HandleAnswer::not_durable);
  };
  released_.prune(now());
  if (const std::string* handle = released_.find(order.request_id); handle != nullptr && *handle == order.handle) {
    barrier(written);
    return;
  }
  const std::string& name = order.name.text();
  const auto [holder, what] = find_hold(name, order.handle, order.principal);
  if (holder == nullptr) {
    answer(what);
    return;
  }
  const auto hold = lockgate::release(find(name)->lock, order.handle, now());
  ++counters_.releases;
  released_.remember(order.request_id, order.handle);
  released_.keep_until(order.request_id, now() + std::max(hold->ttl, kRememberAtLeast));
  end_hold(name, *hold, LockEvent::Kind::released, order.request_id, written);
  serve_queue(name);
  settle(name);
}

void LockTable::Impl::set_value(const std::string& name, const std::string& handle, const std::string& principal,
                                const std::optional<std::string>& value, std::function<void(HandleAnswer)> done) {
  const auto [holder, what] = find_hold(name, handle, principal);
  if (holder == nullptr) {
    done(what);
    return;
  }
  const LeaseHolder* changed = lockgate::set_value(find(name)->lock, handle, value, now());
  tell(name, LockEvent::Kind::value, *changed);
  journal_.append(ValueChanged{name, handle, value}, [done = std::move(done)](Durability how) {
    done(how == Durability::durable ? HandleAnswer::done : HandleAnswer::not_durable);
  });
}

void LockTable::Impl::break_holds(const std::string& name, const std::optional<std::string>& id,
                                  std::function<void(HandleAnswer, std::vector<HolderInfo>)> done) {
  std::vector<LeaseHolder> meant;
  if (const Entry* entry = find(name); entry != nullptr) {
    for (const auto& [place, holder] : entry->lock.holders.in_order()) {
      if (!id || public_id_text(holder.handle) == *id) {
        meant.push_back(holder);
      }
    }
  }
  if (meant.empty()) {
    done(HandleAnswer::gone, {});
    return;
  }
  std::vector<HolderInfo> broken;
  for (const LeaseHolder& holder : meant) {
    broken.push_back(info_of(holder, now(), world_.wall_now()));
    lockgate::release(find(name)->lock, holder.handle, now());
    ++counters_.breaks;
    end_hold(name, holder, LockEvent::Kind::broken, "", nullptr);
  }
  barrier([done = std::move(done), broken](Durability how) {
    done(how == Durability::durable ? HandleAnswer::done : HandleAnswer::not_durable, broken);
  });
  serve_queue(name);
  settle(name);
}

void LockTable::Impl::expire(const std::string& name, Entry& entry) {
  const Expired expired = lockgate::expire(entry.lock, now());
  for (const LeaseHolder& holder : expired.holders) {
    ++counters_.expirations;
    end_hold(name, holder, LockEvent::Kind::expired, "", nullptr);
  }
}

/// For a hold that was taken out of its lock.
void LockTable::Impl::end_hold(const std::string& name, const LeaseHolder& holder, LockEvent::Kind why,
                               const std::string& release_request, std::function<void(Durability)> done) {
  Entry& entry = *find(name);
  if (const auto request = entry.requests.extract(holder.handle)) {
    acquired_.keep_until(request.mapped(), now() + std::max(holder.ttl, kRememberAtLeast));
  }
  if (on_hold) {
    on_hold(std::max(Duration::zero(), Duration(world_.wall_now() - holder.about.since)));
  }
  tell(name, why, holder);
  journal_.append(HoldEnded{name, holder.handle, release_request}, std::move(done));
}

/// `done` when everything before it is durable.
void LockTable::Impl::barrier(std::function<void(Durability)> done) {
  journal_.append(TokenFloor{}, std::move(done));
}

std::vector<LockState> LockTable::Impl::list(const std::vector<LockName>& names, const std::string& prefix) const {
  std::vector<LockState> states;
  const auto add = [&](const std::string& name, const LeaseLock& lock) {
    states.push_back(describe_lock(name, lock, now(), world_.wall_now()));
  };
  for (const LockName& name : names) {
    const auto found = locks_.find(name.text());
    add(name.text(), found == locks_.end() ? LeaseLock() : found->second.lock);
  }
  if (names.empty()) {
    for (const auto& [name, entry] : locks_) {
      if (name.starts_with(prefix)) {
        add(name, entry.lock);
      }
    }
    std::sort(states.begin(), states.end(), [](const LockState& a, const LockState& b) { return a.name < b.name; });
  }
  return states;
}

TableCounters LockTable::Impl::counters() const {
  TableCounters counters = counters_;
  for (const auto& [name, entry] : locks_) {
    counters.locks_held += entry.lock.holders.empty() ? 0 : 1;
    counters.holders += entry.lock.holders.size();
    counters.waiters += entry.lock.queue.size();
  }
  const Journal::Counters journal = journal_.counters();
  counters.commits = journal.commits;
  counters.commit_failures = journal.failures;
  return counters;
}

void LockTable::Impl::tell(const std::string& name, LockEvent::Kind kind, const LeaseHolder& holder) {
  ++last_event;
  if (listeners.empty()) {
    return;
  }
  const TableEvent event{
      last_event,
      {world_.wall_now(), name, kind, info_of(holder, now(), world_.wall_now()), std::nullopt, holder.token}};
  for (const auto& [id, hear] : listeners) {
    hear(event);
  }
}

void LockTable::Impl::tell_waiting(const std::string& name, const LeaseWish& wish) {
  ++last_event;
  if (listeners.empty()) {
    return;
  }
  WaiterInfo waiter{wish.about.host, wish.about.pid, wish.about.user, wish.mode, world_.wall_now()};
  const TableEvent event{
      last_event, {world_.wall_now(), name, LockEvent::Kind::waiting, std::nullopt, std::move(waiter), std::nullopt}};
  for (const auto& [id, hear] : listeners) {
    hear(event);
  }
}

// ---- the table as others see it

LockTable::LockTable(Journal& journal, TableLimits limits, TableWorld world)
    : impl_(std::make_unique<Impl>(journal, limits, std::move(world))) {
}
LockTable::~LockTable() = default;

Ticket LockTable::acquire(AcquireOrder order, std::function<void(const AcquireAnswer&)> done) {
  return impl_->acquire(std::move(order), std::move(done));
}
void LockTable::end_wait(Ticket ticket) {
  impl_->end_wait(ticket);
}
void LockTable::abandon(Ticket ticket) {
  impl_->abandon(ticket);
}
void LockTable::not_heard_of(const LockName& name, const std::string& handle) {
  impl_->not_heard_of(name.text(), handle);
}
RenewAnswer LockTable::renew(const RenewOrder& order) {
  return impl_->renew(order);
}
void LockTable::release(const ReleaseOrder& order, std::function<void(HandleAnswer)> done) {
  impl_->release(order, std::move(done));
}
bool LockTable::leave(const LockName& name, const std::string& acquirer_id, const std::string& principal) {
  return impl_->leave(name.text(), acquirer_id, principal);
}
void LockTable::set_value(const LockName& name, const std::string& handle, const std::string& principal,
                          const std::optional<std::string>& value, std::function<void(HandleAnswer)> done) {
  impl_->set_value(name.text(), handle, principal, value, std::move(done));
}
void LockTable::break_holds(const LockName& name, const std::optional<std::string>& id,
                            std::function<void(HandleAnswer, std::vector<HolderInfo>)> done) {
  impl_->break_holds(name.text(), id, std::move(done));
}
std::vector<LockState> LockTable::list(const std::vector<LockName>& names, const std::string& prefix) const {
  return impl_->list(names, prefix);
}
std::uint64_t LockTable::subscribe(std::function<void(const TableEvent&)> hear) {
  impl_->listeners.emplace(++impl_->last_listener, std::move(hear));
  return impl_->last_listener;
}
void LockTable::unsubscribe(std::uint64_t subscription) {
  impl_->listeners.erase(subscription);
}
std::uint64_t LockTable::last_event_id() const {
  return impl_->last_event;
}
void LockTable::expire_due() {
  impl_->expire_due();
}
void LockTable::stop() {
  impl_->stop();
}
TableCounters LockTable::counters() const {
  return impl_->counters();
}
void LockTable::observe(std::function<void(Duration)> waits, std::function<void(Duration)> holds) {
  impl_->on_wait = std::move(waits);
  impl_->on_hold = std::move(holds);
}

}  // namespace lockgate::server
