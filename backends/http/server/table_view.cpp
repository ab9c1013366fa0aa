// SPDX-License-Identifier: Apache-2.0
// What others get to see of the table, and to hear.
#include <algorithm>
#include <utility>

#include "backends/http/server/lock_table_impl.hpp"

namespace lockgate::server {

std::vector<LockState> LockTable::Impl::list(const std::vector<LockName>& names, const std::string& prefix) const {
  std::vector<LockState> states;
  const auto add = [&](const std::string& name, const LeaseLock& lock) {
    states.push_back(describe_lock(name, lock, now(), world_.wall_now()));
  };
  const LeaseLock free;
  for (const LockName& name : names) {
    const auto found = locks_.find(name.text());
    add(name.text(), found == locks_.end() ? free : found->second.lock);
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

std::vector<HolderInfo> LockTable::Impl::holders(const std::string& name, std::size_t most) const {
  std::vector<HolderInfo> infos;
  if (const auto found = locks_.find(name); found != locks_.end()) {
    for (const auto& [place, holder] : found->second.lock.holders.in_order()) {
      if (infos.size() == most) {
        break;
      }
      infos.push_back(describe_holder(holder, now(), world_.wall_now()));
    }
  }
  return infos;
}

TableCounters LockTable::Impl::counters() const {
  TableCounters counters = counters_;
  const Journal::Counters journal = journal_.counters();
  counters.commits = journal.commits;
  counters.commit_failures = journal.failures;
  return counters;
}

/// The sums over all locks, of which this one has changed: nobody walks them all to be asked.
void LockTable::Impl::count(Entry& entry) {
  const Counted before = std::exchange(entry.counted, {entry.lock.holders.size(), entry.lock.queue.size()});
  counters_.locks_held += (entry.counted.holders > 0 ? 1U : 0U);
  counters_.locks_held -= (before.holders > 0 ? 1U : 0U);
  counters_.holders += entry.counted.holders;
  counters_.holders -= before.holders;
  counters_.waiters += entry.counted.waiters;
  counters_.waiters -= before.waiters;
}

void LockTable::Impl::tell(const std::string& name, LockEvent::Kind kind, const LeaseHolder& holder) {
  ++last_event;
  if (!listeners.empty()) {
    const WallTime wall = world_.wall_now();
    publish({wall, name, kind, describe_holder(holder, now(), wall), std::nullopt, holder.token});
  }
}

void LockTable::Impl::tell_waiting(const std::string& name, const LeaseWish& wish) {
  ++last_event;
  if (!listeners.empty()) {
    const WallTime wall = world_.wall_now();
    WaiterInfo waiter{wish.about.host, wish.about.pid, wish.about.user, wish.mode, wall};
    publish({wall, name, LockEvent::Kind::waiting, std::nullopt, std::move(waiter), std::nullopt});
  }
}

void LockTable::Impl::publish(LockEvent event) {
  const TableEvent numbered{last_event, std::move(event)};
  for (const auto& [id, hear] : listeners) {
    hear(numbered);
  }
}

}  // namespace lockgate::server
