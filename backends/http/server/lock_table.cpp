// SPDX-License-Identifier: Apache-2.0
// The table as others see it, and what it does by itself: taking over the journal, and looking at locks in time.
#include "backends/http/server/lock_table.hpp"

#include <algorithm>

#include "backends/http/server/lock_table_impl.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRetryJournal = 1s;
constexpr std::chrono::hours kLongestTtl{1};
constexpr int kLocksAtOnce = 1000;  // that run out together, before others have their turn on the loop

}  // namespace

std::string request_key(const std::string& principal, const std::string& name, const std::string& request_id) {
  return request_id.empty() ? "" : principal + '\n' + name + '\n' + request_id;
}

LockTable::Impl::Impl(Journal& journal, TableLimits limits, TableWorld world)
    : journal_(journal), limits_(limits), world_(std::move(world)) {
  const JournalContent content = journal_.load();
  token_floor_ = content.token_floor;
  if (!journal_.durable() && limits_.max_ttl > Duration::zero()) {
    grace_until_ = now() + limits_.max_ttl;
    in_grace_ = true;
  }
  for (const HoldGranted& hold : content.holds) {
    Entry& entry = locks_[hold.name];
    LeaseHolder holder = hold.holder;
    holder.expires = now() + holder.ttl;  // nobody knows how long the server was away
    const std::string key = request_key(holder.about.principal, hold.name, hold.request_id);
    if (restore(entry.lock, holder) && !key.empty()) {
      entry.requests[holder.handle] = key;
      acquired_.remember(key, holder.handle);
    }
  }
  for (const Remembered& ended : content.ended) {
    recall(ended);
  }
  std::vector<std::string> names;
  for (const auto& [name, entry] : locks_) {
    names.push_back(name);
  }
  for (const std::string& name : names) {
    settle(name);
  }
}

/// For two minutes at least: nobody could ask while the server was away. And the wall clock, by which it was written
/// down, may have jumped.
void LockTable::Impl::recall(const Remembered& ended) {
  const StoreTime until =
      now() + std::clamp<std::chrono::microseconds>(ended.until - world_.wall_now(), kRememberAtLeast, kLongestTtl);
  ended_.remember(ended.hold.handle, ended.hold.request_id);
  ended_.keep_until(ended.hold.handle, until);
  acquired_.remember(ended.hold.acquired, ended.hold.handle);
  acquired_.keep_until(ended.hold.acquired, until);
}

std::uint64_t LockTable::Impl::wall_token() const {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(world_.wall_now().time_since_epoch().count(), 0));
}

Duration LockTable::Impl::grace_left() const {
  return in_grace_ ? std::max(Duration::zero(), grace_until_ - now()) : Duration::zero();
}

LockTable::Impl::Entry& LockTable::Impl::entry_of(const std::string& name) {
  const auto [found, is_new] = locks_.try_emplace(name);
  if (is_new) {
    // Its own last token may have been forgotten with it, but not a greater one.
    found->second.lock.last_token = token_floor_;
  }
  return found->second;
}

LockTable::Impl::Entry* LockTable::Impl::find(const std::string& name) {
  const auto found = locks_.find(name);
  return found == locks_.end() ? nullptr : &found->second;
}

void LockTable::Impl::expire_due() {
  alarm_.reset();  // it has gone off
  const StoreTime moment = now();
  for (int i = 0; i < kLocksAtOnce && !due_.empty() && due_.begin()->first <= moment; ++i) {
    const std::string name = due_.begin()->second;
    Entry& entry = locks_.at(name);
    due_.erase(due_.begin());
    entry.due.reset();
    expire(name, entry);
    serve_queue(name);
    settle(name);
  }
  if (in_grace_ && grace_left() == Duration::zero()) {
    end_grace();
  }
  set_alarm();
}

void LockTable::Impl::end_grace() {
  in_grace_ = false;
  std::vector<std::string> waited_for;
  for (const auto& [name, entry] : locks_) {
    if (!entry.parked.empty()) {
      waited_for.push_back(name);
    }
  }
  for (const std::string& name : waited_for) {
    serve_queue(name);
    settle(name);
  }
}

void LockTable::Impl::stop() {
  stopped_ = true;
  std::vector<Ticket> waiting;
  for (const auto& [ticket, wish] : wishes_) {
    if (wish.stage == Wish::Stage::queued) {
      waiting.push_back(ticket);
    }
  }
  for (auto& [name, entry] : locks_) {
    entry.parked.clear();
  }
  AcquireAnswer stopping;
  stopping.kind = AcquireAnswer::Kind::stopping;
  for (const Ticket ticket : waiting) {
    answer(ticket, stopping);
  }
}

/// To be called after every change: counts it, and sees when the lock is to be looked at next. One that is empty is
/// forgotten, all but its token.
void LockTable::Impl::settle(const std::string& name) {
  const auto found = locks_.find(name);
  if (found == locks_.end()) {
    return;
  }
  Entry& entry = found->second;
  count(entry);
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
  if (entry.lock.empty()) {
    token_floor_ = std::max(token_floor_, entry.lock.last_token);
    locks_.erase(found);
  }
  set_alarm();
}

void LockTable::Impl::set_alarm() {
  std::optional<StoreTime> next = due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
  if (in_grace_) {
    next = std::min(next.value_or(kNever), grace_until_);
  }
  // One that goes off early does no harm, and the world is not told of each renewal.
  if (next && (!alarm_ || *next < *alarm_)) {
    alarm_ = next;
    world_.call_at(BootTime(*next));
  }
}

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
void LockTable::not_heard_of(const LockName& name, const LeaseHolder& as_told) {
  impl_->not_heard_of(name.text(), as_told);
}
RenewAnswer LockTable::renew(const RenewOrder& order) {
  return impl_->renew(order);
}
void LockTable::release(const ReleaseOrder& order, const std::function<void(HandleAnswer)>& done) {
  impl_->release(order, done);
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
std::vector<HolderInfo> LockTable::holders(const LockName& name, std::size_t most) const {
  return impl_->holders(name.text(), most);
}
std::uint64_t LockTable::subscribe(std::function<void(const TableEvent&)> hear) {
  impl_->listeners.emplace(++impl_->last_listener, std::move(hear));
  return impl_->last_listener;
}
void LockTable::unsubscribe(std::uint64_t subscription) {
  impl_->listeners.erase(subscription);
}
Duration LockTable::grace_left() const {
  return impl_->grace_left();
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
