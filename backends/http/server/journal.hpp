// SPDX-License-Identifier: Apache-2.0
// What makes the lock table survive: an ordered log of its changes. Renewals are not in it, but for a changed TTL;
// after a restart each live lease gets its full TTL.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/lease_rules.hpp"

namespace lockgate::server {

struct HoldGranted {
  std::string name;
  LeaseHolder holder;
  std::string request_id;
};
struct HoldEnded {
  std::string name;
  std::string handle;
  std::string request_id;  // of the release; empty: it expired, was broken, or had none
  std::string acquired;    // key of the acquire that it came of; empty: it had none, or may be granted anew
};
struct ValueChanged {
  std::string name;
  std::string handle;
  std::optional<std::string> value;
};
/// A renewal with another TTL. What a client counts on must not be longer than what it would have after a restart.
struct TtlChanged {
  std::string name;
  std::string handle;
  Duration ttl{};
};
/// Changes nothing: durable when everything before it is.
struct Barrier {};
using JournalEntry = std::variant<HoldGranted, HoldEnded, ValueChanged, TtlChanged, Barrier>;

/// A hold that is over, and about which the same requests may come again.
struct Remembered {
  HoldEnded hold;
  WallTime until;
};

/// What a journal held when it was opened.
struct JournalContent {
  std::vector<HoldGranted> holds;  // live ones, oldest first
  std::vector<Remembered> ended;   // with a request, of the last minutes
  std::uint64_t token_floor = 0;   // the greatest token that was ever granted
};

enum class Durability { durable, failed };

class Journal {
 public:
  virtual ~Journal() = default;
  [[nodiscard]] virtual JournalContent load() = 0;
  /// Entries become durable in the order in which they came, many at one stroke; `done` is called on the loop's thread.
  /// `failed`: it may or may not be durable, and stays in line to be written before what comes later, so that an entry
  /// which undoes it can follow.
  virtual void append(JournalEntry entry, std::function<void(Durability)> done) = 0;
  /// False while the last commit failed (disk full): nothing is to be granted.
  [[nodiscard]] virtual bool healthy() const = 0;
  /// False: it forgets everything at the end of the process.
  [[nodiscard]] virtual bool durable() const = 0;
  /// Blocks until everything that was appended is durable, or has failed.
  virtual void flush() = 0;
  struct Counters {
    std::uint64_t commits = 0;
    std::uint64_t entries = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

/// Calls a function on the loop's thread, soon. Thread-safe.
using Post = std::function<void(std::function<void()>)>;

/// Forgets everything; `done` is called from within append().
std::unique_ptr<Journal> make_memory_journal();

/// SQLite at `path` (its directory is made, 0700; the file is 0600), WAL, synchronous=FULL, one writer thread, group
/// commit. Exclusive: a second server on the same file is refused. Throws Error: 65 no such database or a newer schema
/// (it is left as it is), 73, 74, 77, 75 another server has it.
std::unique_ptr<Journal> make_sqlite_journal(const std::string& path, Post post);

}  // namespace lockgate::server
