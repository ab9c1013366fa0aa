// SPDX-License-Identifier: Apache-2.0
// The inside of the lock table. Used by lock_table.cpp and table_*.cpp alone.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/http/server/lock_table.hpp"
#include "backends/http/server/request_memory.hpp"

namespace lockgate::server {

/// What became of a request is known for this long, or for its TTL, where that is longer.
inline constexpr std::chrono::minutes kRememberAtLeast{2};

class LockTable::Impl {
 public:
  using Done = std::function<void(const AcquireAnswer&)>;

  Impl(Journal& journal, TableLimits limits, TableWorld world);

  // table_wishes.cpp
  Ticket acquire(AcquireOrder order, Done done);
  void end_wait(Ticket ticket);
  void abandon(Ticket ticket);
  bool leave(const std::string& name, const std::string& acquirer_id, const std::string& principal);

  // table_holds.cpp
  void not_heard_of(const std::string& name, const LeaseHolder& as_told);
  RenewAnswer renew(const RenewOrder& order);
  void release(const ReleaseOrder& order, const std::function<void(HandleAnswer)>& done);
  void set_value(const std::string& name, const std::string& handle, const std::string& principal,
                 const std::optional<std::string>& value, std::function<void(HandleAnswer)> done);
  void break_holds(const std::string& name, const std::optional<std::string>& id,
                   std::function<void(HandleAnswer, std::vector<HolderInfo>)> done);

  // table_view.cpp
  [[nodiscard]] std::vector<LockState> list(const std::vector<LockName>& names, const std::string& prefix) const;
  [[nodiscard]] std::vector<HolderInfo> holders(const std::string& name, std::size_t most) const;
  [[nodiscard]] TableCounters counters() const;

  // lock_table.cpp
  [[nodiscard]] Duration grace_left() const;
  void expire_due();
  void stop();

  std::map<std::uint64_t, std::function<void(const TableEvent&)>> listeners;
  std::uint64_t last_listener = 0;
  std::uint64_t last_event = 0;
  std::function<void(Duration)> on_wait;
  std::function<void(Duration)> on_hold;

 private:
  /// A wish that waits for its answer: in the queue, or for its grant to become durable.
  struct Wish {
    AcquireOrder order;
    Done done;
    StoreTime since{};
    enum class Stage { queued, granted } stage = Stage::queued;
  };
  struct Counted {
    std::size_t holders = 0;
    std::size_t waiters = 0;
  };
  struct Entry {
    LeaseLock lock;
    std::unordered_map<std::string, Ticket> parked;         // by acquirer id
    std::unordered_map<std::string, std::string> requests;  // of the live holds that have one, by handle
    std::unordered_map<std::string, Duration> next_ttl;     // by handle: it is on its way to the journal
    std::optional<StoreTime> due;                           // as it stands in due_
    Counted counted;                                        // as it is in the sums of counters_
  };
  using Locks = std::unordered_map<std::string, Entry>;

  [[nodiscard]] StoreTime now() const { return world_.now().time_since_epoch(); }
  [[nodiscard]] std::uint64_t wall_token() const;
  Entry& entry_of(const std::string& name);
  [[nodiscard]] Entry* find(const std::string& name);
  std::pair<const LeaseHolder*, HandleAnswer> find_hold(const std::string& name, const std::string& handle,
                                                        const std::string& principal);

  void recall(const Remembered& ended);
  void admit(Ticket ticket);
  std::optional<Ticket> repeat(const AcquireOrder& order, const Done& done);
  void on_repeat_written(Ticket ticket, const std::string& name, const LeaseHolder& holder, Durability how);
  [[nodiscard]] std::string limit_reached(const AcquireOrder& order);
  void queue_up(Ticket ticket, const Wish& wish, Entry& entry, std::size_t ahead, bool had_place);
  enum class From { wish, queue };
  void grant(Ticket ticket, Wish& wish, const LeaseHolder& holder, From from);
  void on_grant_written(Ticket ticket, const std::string& name, const LeaseHolder& holder, From from, Durability how);
  void undo_grant(const std::string& name, const std::string& handle);
  void answer(Ticket ticket, const AcquireAnswer& what);
  [[nodiscard]] AcquireAnswer not_now(std::size_t ahead) const;
  void serve_queue(const std::string& name);

  RenewAnswer take_back(const RenewOrder& order);
  void change_ttl(const RenewOrder& order, const LeaseHolder& holder);
  void expire(const std::string& name, Entry& entry);
  void end_hold(const std::string& name, const LeaseHolder& holder, LockEvent::Kind why,
                const std::string& release_request, std::function<void(Durability)> done);
  void barrier(std::function<void(Durability)> done);

  void settle(const std::string& name);
  void count(Entry& entry);
  void set_alarm();
  void end_grace();

  void tell(const std::string& name, LockEvent::Kind kind, const LeaseHolder& holder);
  void tell_waiting(const std::string& name, const LeaseWish& wish);
  void publish(LockEvent event);

  Journal& journal_;
  TableLimits limits_;
  TableWorld world_;
  Locks locks_;
  std::unordered_map<Ticket, Wish> wishes_;
  std::set<std::pair<StoreTime, std::string>> due_;
  std::optional<StoreTime> alarm_;  // as the world was told
  RequestMemory acquired_;          // request keys, and the handles they were granted
  RequestMemory ended_;             // handles that were given back or broken, and the request ids of that
  TableCounters counters_;
  Ticket last_ticket_ = 0;
  std::uint64_t token_floor_ = 0;  // of the locks that were forgotten
  StoreTime grace_until_{};
  bool in_grace_ = false;  // and there may be some who wait for its end
  bool stopped_ = false;
};

/// One request of one principal about one lock: another's request id has nothing to do with it. Empty: it has none.
std::string request_key(const std::string& principal, const std::string& name, const std::string& request_id);

}  // namespace lockgate::server
