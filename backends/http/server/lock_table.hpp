// SPDX-License-Identifier: Apache-2.0
// All locks of one server: the rules of core/lease_rules.hpp over a table in memory, a journal that makes them durable,
// and those who wait. Knows nothing of HTTP. One thread, the loop's; callbacks come on it too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/http/server/journal.hpp"
#include "core/lease_rules.hpp"

namespace lockgate::server {

struct TableLimits {
  std::size_t locks = 100'000;  // live ones: held or waited for
  std::size_t waiters_per_lock = 1'000;
  std::size_t holders_per_lock = 10'000;
  Duration max_ttl =
      std::chrono::seconds(60);  // for the grace of a memory store; TTLs themselves are the routes' matter
};

/// The world around the table; tests make their own.
struct TableWorld {
  std::function<BootTime()> now;
  std::function<WallTime()> wall_now;
  /// Calls expire_due() at that moment (once; a later call replaces it); nullopt: no call wanted.
  std::function<void(std::optional<BootTime>)> call_at;
};

struct AcquireOrder {
  LockName name;
  LeaseWish wish;          // without a handle: the table makes it
  std::string request_id;  // the same one again has the same answer; empty: none
  enum class Wait { no, park } wait = Wait::no;
};

struct AcquireAnswer {
  enum class Kind {
    granted,
    must_wait,    // not now; a place in the queue is kept if the wish has one
    grace,        // the memory store grants nothing for some time after its start
    full,         // a limit: `what` says which
    not_durable,  // the journal cannot write; nothing was granted
    superseded,   // parked, and then another request came for the same place
    ended,        // this request was granted before, and that hold is over: a new wish takes a new request id
    reused,       // a request of this id was granted before, in the other mode
    stopping,
  };
  Kind kind = Kind::must_wait;
  LeaseHolder holder;     // granted
  Duration ttl_left{};    // granted: less than its ttl where the answer is a repeated one
  bool waited = false;    // granted out of the queue
  std::size_t ahead = 0;  // must_wait
  Duration grace_left{};  // grace
  std::string what;
};

/// Names one parked acquire; 0: none.
using Ticket = std::uint64_t;

enum class HandleAnswer { done, gone, not_yours, not_durable };

struct RenewOrder {
  LockName name;
  std::string handle;
  std::string principal;
  std::optional<Duration> ttl;
  // What the holder knows of its hold. A store that forgot everything at a restart takes it back by that, for as long
  // as it grants nothing.
  std::optional<Mode> mode;
  std::optional<std::uint64_t> token;
};

struct RenewAnswer {
  HandleAnswer answer = HandleAnswer::gone;
  LeaseHolder holder;  // done
};

struct ReleaseOrder {
  LockName name;
  std::string handle;
  std::string request_id;
  std::string principal;
};

/// Something that others may hear of. `id` counts from 1 in each life of the server.
struct TableEvent {
  std::uint64_t id = 0;
  LockEvent event;
};

struct TableCounters {
  std::uint64_t grants = 0, conflicts = 0, expirations = 0, renewals = 0, releases = 0, breaks = 0;
  std::size_t locks_held = 0, holders = 0, waiters = 0;
  std::uint64_t commits = 0, commit_failures = 0;  // of the journal
};

class LockTable {
 public:
  /// Takes over what the journal holds: each live lease gets a full TTL from now on. `journal` outlives this.
  LockTable(Journal& journal, TableLimits limits, TableWorld world);
  ~LockTable();

  /// No callback may call the table: it is in the middle of something. `done` is called exactly once, unless abandon()
  /// came first: perhaps before this returns, and for a grant only when
  /// it is durable. A parked order is answered when the lock is its own, or by end_wait().
  Ticket acquire(AcquireOrder order, std::function<void(const AcquireAnswer&)> done);
  /// The wait is over: `done` is called with must_wait (or with the grant that was just being made durable), and the
  /// place is kept for the wish's keep_place.
  void end_wait(Ticket ticket);
  /// The client is gone: `done` is not called any more. Its place goes within a second unless it comes back; a grant
  /// that was under way is as one that was not heard of.
  void abandon(Ticket ticket);
  /// The answer to an acquire could not be written: a hold that nobody heard of is not to block others for its TTL.
  /// It stays for as long as a client with the same request id could come back (2 s), then it is given back. If one
  /// came back already, or it was renewed, it is not `as_told` any more, and stays as it is.
  void not_heard_of(const LockName& name, const LeaseHolder& as_told);

  /// A longer TTL than before counts from when it is durable on: the answer tells the one in force.
  RenewAnswer renew(const RenewOrder& order);
  /// Done again for the same handle and request id, for the longer of its TTL and two minutes.
  void release(const ReleaseOrder& order, const std::function<void(HandleAnswer)>& done);
  /// False: it had no place.
  bool leave(const LockName& name, const std::string& acquirer_id, const std::string& principal);
  void set_value(const LockName& name, const std::string& handle, const std::string& principal,
                 const std::optional<std::string>& value, std::function<void(HandleAnswer)> done);
  /// Ends the holds of a lock (that with the public id `id`, or all); tells which.
  void break_holds(const LockName& name, const std::optional<std::string>& id,
                   std::function<void(HandleAnswer, std::vector<HolderInfo>)> done);

  /// Those of these names (free ones too), or, without names, every live lock whose name begins with `prefix`.
  [[nodiscard]] std::vector<LockState> list(const std::vector<LockName>& names, const std::string& prefix) const;

  /// The oldest holders of a lock, at most so many: for the answer to one who has to wait for it, of whom there may be
  /// thousands at once.
  [[nodiscard]] std::vector<HolderInfo> holders(const LockName& name, std::size_t most) const;

  /// Hears every event from now on, until it is removed.
  std::uint64_t subscribe(std::function<void(const TableEvent&)> hear);
  void unsubscribe(std::uint64_t subscription);
  [[nodiscard]] std::uint64_t last_event_id() const;

  /// For how long a memory store grants nothing yet after its start. Zero: it grants.
  [[nodiscard]] Duration grace_left() const;

  /// To be called when world.call_at said.
  void expire_due();
  /// Every parked order is answered with `stopping`; then nothing is granted any more.
  void stop();

  [[nodiscard]] TableCounters counters() const;
  /// Hears how long a granted wish waited, and how long an ended hold lasted. For histograms; may be empty.
  void observe(std::function<void(Duration waited)> waits, std::function<void(Duration held)> holds);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockgate::server
