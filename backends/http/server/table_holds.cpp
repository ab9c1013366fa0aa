// SPDX-License-Identifier: Apache-2.0
// What becomes of holds: renewed, released, run out, broken; and who hears of it.
#include <algorithm>

#include "backends/http/server/lock_table_impl.hpp"
#include "core/handle.hpp"

namespace lockgate::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kKeepUnheard = 2s;
/// The Go library's, whose clients neither say theirs nor hear of another one. They are refused by a server that grants
/// shorter ones only; but one that has a lock already counts on all of it, and nobody else may be in meanwhile.
constexpr Duration kUnsaidTtl = 10s;
/// What a client may say of its old token: no clock was ever that far ahead, and nobody uses the numbers up.
constexpr std::uint64_t kTokenLead = 366ULL * 24 * 3600 * 1'000'000;

}  // namespace

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

void LockTable::Impl::not_heard_of(const std::string& name, const LeaseHolder& as_told) {
  Entry* entry = find(name);
  const LeaseHolder* holder = entry == nullptr ? nullptr : entry->lock.holders.find(as_told.handle);
  if (holder != nullptr && holder->expires == as_told.expires) {
    end_by(entry->lock, as_told.handle, now(), now() + kKeepUnheard);
    settle(name);
  }
}

RenewAnswer LockTable::Impl::renew(const RenewOrder& order) {
  const std::string& name = order.name.text();
  const auto [holder, what] = find_hold(name, order.handle, order.principal);
  if (holder == nullptr) {
    return what == HandleAnswer::gone && grace_left() > Duration::zero() ? take_back(order) : RenewAnswer{what, {}};
  }
  lockgate::renew(find(name)->lock, order.handle, now());
  change_ttl(order, *holder);
  ++counters_.renewals;
  RenewAnswer answer{HandleAnswer::done, *holder};
  settle(name);
  return answer;
}

/// A hold that was granted before a restart that it was forgotten at. Nothing was granted since, so that whoever says
/// to hold the lock may well be right; but only as many as can hold it together.
RenewAnswer LockTable::Impl::take_back(const RenewOrder& order) {
  const std::string& name = order.name.text();
  const Entry* entry = find(name);
  const std::size_t holders = entry == nullptr ? 0 : entry->lock.holders.size();
  const bool is_full = holders >= limits_.holders_per_lock || (entry == nullptr && locks_.size() >= limits_.locks);
  const bool is_over = order.handle.empty() || ended_.find(order.handle) != nullptr;
  if (is_full || is_over || order.token.value_or(0) > wall_token() + kTokenLead) {
    return {HandleAnswer::gone, {}};
  }
  LeaseHolder back;
  back.handle = order.handle;
  back.mode = order.mode.value_or(Mode::exclusive);
  back.token = order.token.value_or(wall_token());
  back.ttl = order.ttl ? std::min(*order.ttl, limits_.max_ttl) : kUnsaidTtl;
  back.expires = now() + back.ttl;
  back.about.since = world_.wall_now();
  back.about.principal = order.principal;
  const bool restored = restore(entry_of(name).lock, back);
  settle(name);
  return {restored ? HandleAnswer::done : HandleAnswer::gone, restored ? back : LeaseHolder{}};
}

/// A shorter TTL counts at once. A longer one when it is durable, and this renewal is answered with the old one: after
/// a restart the hold must last for as long as its owner was told.
void LockTable::Impl::change_ttl(const RenewOrder& order, const LeaseHolder& holder) {
  const std::string& name = order.name.text();
  Entry& entry = *find(name);
  const auto on_its_way = entry.next_ttl.find(order.handle);
  const Duration last = on_its_way == entry.next_ttl.end() ? holder.ttl : on_its_way->second;
  if (!order.ttl || *order.ttl == last || !journal_.healthy()) {
    return;
  }
  const Duration ttl = *order.ttl;
  if (ttl < holder.ttl) {
    lockgate::renew(entry.lock, order.handle, now(), ttl);
  }
  entry.next_ttl[order.handle] = ttl;
  journal_.append(TtlChanged{name, order.handle, ttl}, [this, order, ttl](Durability how) {
    Entry* later = find(order.name.text());
    if (later == nullptr || !later->next_ttl.contains(order.handle) || later->next_ttl[order.handle] != ttl) {
      return;  // it is over, or was changed again
    }
    later->next_ttl.erase(order.handle);
    if (how == Durability::durable) {
      lockgate::renew(later->lock, order.handle, now(), ttl);
      settle(order.name.text());
    }
  });
}

void LockTable::Impl::release(const ReleaseOrder& order, const std::function<void(HandleAnswer)>& done) {
  const auto written = [done](Durability how) {
    done(how == Durability::durable ? HandleAnswer::done : HandleAnswer::not_durable);
  };
  ended_.prune(now());
  const std::string* request = ended_.find(order.handle);
  if (request != nullptr && !request->empty() && *request == order.request_id) {
    barrier(written);
    return;
  }
  const std::string& name = order.name.text();
  const auto [holder, what] = find_hold(name, order.handle, order.principal);
  if (holder == nullptr) {
    done(what);
    return;
  }
  const auto hold = find(name)->lock.holders.take(order.handle);
  ++counters_.releases;
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
  if (!journal_.healthy()) {
    done(HandleAnswer::not_durable);
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
  if (Entry* entry = find(name); entry != nullptr) {
    expire(name, *entry);
    for (const auto& [place, holder] : entry->lock.holders.in_order()) {
      if (!id || public_id_text(holder.handle) == *id) {
        meant.push_back(holder);
      }
    }
  }
  if (meant.empty()) {
    serve_queue(name);
    settle(name);
    done(HandleAnswer::gone, {});
    return;
  }
  std::vector<HolderInfo> broken;
  for (const LeaseHolder& holder : meant) {
    broken.push_back(describe_holder(holder, now(), world_.wall_now()));
    find(name)->lock.holders.take(holder.handle);
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
  HoldEnded ended{name, holder.handle, release_request, ""};
  if (const auto request = entry.requests.extract(holder.handle)) {
    ended.acquired = request.mapped();
    acquired_.keep_until(ended.acquired, now() + std::max<Duration>(holder.ttl, kRememberAtLeast));
  }
  entry.next_ttl.erase(holder.handle);
  if (why != LockEvent::Kind::expired) {
    ended_.remember(holder.handle, release_request);
    ended_.keep_until(holder.handle, now() + std::max<Duration>(holder.ttl, kRememberAtLeast));
  }
  if (on_hold) {
    on_hold(std::max(Duration::zero(), Duration(world_.wall_now() - holder.about.since)));
  }
  tell(name, why, holder);
  journal_.append(std::move(ended), std::move(done));
}

/// `done` when everything before it is durable. While the journal cannot be written, nothing is put in its line that
/// changes nothing.
void LockTable::Impl::barrier(std::function<void(Durability)> done) {
  if (journal_.healthy()) {
    journal_.append(Barrier{}, std::move(done));
  } else {
    done(Durability::failed);
  }
}

}  // namespace lockgate::server
