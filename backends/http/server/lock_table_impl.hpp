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

class LockTable::Impl {
 public:
  using Done = std::function<void(const AcquireAnswer&)>;

  Impl(Journal& journal, TableLimits limits, TableWorld world);

  Ticket acquire(AcquireOrder order, Done done);
  void end_wait(Ticket ticket);
  void abandon(Ticket ticket);
  void not_heard_of(const std::string& name, const std::string& handle);
  RenewAnswer renew(const RenewOrder& order);
  void release(const ReleaseOrder& order, std::function<void(HandleAnswer)> done);
  bool leave(const std::string& name, const std::string& acquirer_id, const std::string& principal);
  void set_value(const std::string& name, const std::string& handle, const std::string& principal,
                 const std::optional<std::string>& value, std::function<void(HandleAnswer)> done);
  void break_holds(const std::string& name, const std::optional<std::string>& id,
                   std::function<void(HandleAnswer, std::vector<HolderInfo>)> done);
  [[nodiscard]] std::vector<LockState> list(const std::vector<LockName>& names, const std::string& prefix) const;
  void expire_due();
  void stop();
  [[nodiscard]] TableCounters counters() const;

  std::map<std::uint64_t, std::function<void(const TableEvent&)>> listeners;
  std::uint64_t last_listener = 0;
  std::uint64_t last_event = 0;
  std::function<void(Duration)> on_wait;
  std::function<void(Duration)> on_hold;

 private:
  /// A wish that waits for its answer: in the queue, for the grace to end, or for its grant to become durable.
  struct Wish {
    AcquireOrder order;
    Done done;
    StoreTime since{};
    enum class Stage { queued, grace, granted } stage = Stage::queued;
    std::string handle = {};  // granted
  };
  struct Entry {
    LeaseLock lock;
    std::unordered_map<std::string, Ticket> parked;         // by acquirer id
    std::unordered_map<std::string, std::string> requests;  // of the live holds, by handle
    std::optional<StoreTime> due;                           // as it stands in due_
  };
  using Locks = std::unordered_map<std::string, Entry>;

  [[nodiscard]] StoreTime now() const { return world_.now().time_since_epoch(); }
  [[nodiscard]] std::uint64_t wall_token() const;
  [[nodiscard]] Duration grace_left() const;
  Entry& entry_of(const std::string& name);
  [[nodiscard]] Entry* find(const std::string& name);
  std::pair<const LeaseHolder*, HandleAnswer> find_hold(const std::string& name, const std::string& handle,
                                                        const std::string& principal);

  void admit(Ticket ticket);
  bool repeat(const AcquireOrder& order, const Done& done);
  [[nodiscard]] std::string limit_reached(const AcquireOrder& order);
  void queue_up(Ticket ticket, Wish& wish, Entry& entry, std::size_t ahead, bool had_place);
  enum class From { wish, queue };
  void grant(Ticket ticket, Wish& wish, LeaseHolder holder, From from);
  void on_grant_written(Ticket ticket, const std::string& name, const LeaseHolder& holder, bool waited, Durability how);
  void answer(Ticket ticket, const AcquireAnswer& what);
  void serve_queue(const std::string& name);
  void expire(const std::string& name, Entry& entry);
  void end_hold(const std::string& name, const LeaseHolder& holder, LockEvent::Kind why,
                const std::string& release_request, std::function<void(Durability)> done);
  void settle(const std::string& name);  // after every change: next deadline, and forgets what is empty
  void set_alarm();
  void barrier(std::function<void(Durability)> done);

  void tell(const std::string& name, LockEvent::Kind kind, const LeaseHolder& holder);
  void tell_waiting(const std::string& name, const LeaseWish& wish);

  Journal& journal_;
  TableLimits limits_;
  TableWorld world_;
  Locks locks_;
  std::unordered_map<Ticket, Wish> wishes_;
  std::vector<Ticket> in_grace_;  // in their order
  std::set<std::pair<StoreTime, std::string>> due_;
  RequestMemory acquired_;
  RequestMemory released_;
  TableCounters counters_;
  Ticket last_ticket_ = 0;
  std::uint64_t token_floor_ = 0;  // of the locks that were forgotten
  StoreTime grace_until_{};
  bool stopped_ = false;
};

}  // namespace lockgate::server
