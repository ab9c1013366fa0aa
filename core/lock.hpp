// SPDX-License-Identifier: Apache-2.0
// The vocabulary: plain values that every backend and every command speaks in.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/text.hpp"

namespace lockgate {

/// 1 to 1024 bytes of UTF-8 without control characters. Compared by bytes; never used as a file path.
class LockName {
 public:
  /// Throws Error(usage) that says which rule `text` breaks, and where.
  explicit LockName(std::string text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// In double quotes for a message, with what could disturb a terminal or mislead a reader escaped.
  [[nodiscard]] std::string quoted() const;

  friend bool operator==(const LockName&, const LockName&) = default;

 private:
  std::string text_;
};

enum class Mode { exclusive, shared };

std::string_view to_string(Mode mode);

/// What the holder wants others to see. Everyone who may see the lock may read it.
struct Published {
  std::string command;               // base name of the program, or the whole command line if asked for
  std::string reason;                // --reason
  std::optional<std::string> value;  // --value, at most kMaxValue bytes
};

constexpr std::size_t kMaxValue = 65536;  // bytes
constexpr std::size_t kMaxReason = 1024;

/// One wish to have a lock.
struct Request {
  LockName name;
  Mode mode = Mode::exclusive;
  std::string acquirer_id;  // the place in the queue, on backends that have a queue of their own
  Published published;
  Duration ttl = std::chrono::seconds(15);  // of the lease, on backends that have leases
  bool ttl_was_said = false;                // by somebody: where leases have one length alone another is refused
  /// An ancestor of this process holds the lock in shared mode: a shared request must then not queue behind
  /// waiting writers, for they wait for that ancestor.
  bool ancestor_shares = false;
};

/// A hold that ends by itself unless it is renewed.
struct Lease {
  Duration ttl{};
  BootTime counted_from;  // when the request that last renewed it was sent: it lasts until then + ttl, not longer
};

/// A hold that was got. Whoever knows `handle` may renew and release it, so it is shown to nobody but the caller.
struct Grant {
  LockName name;
  Mode mode = Mode::exclusive;
  std::string handle;       // a UUID, unique over all modes and backends
  std::uint64_t token = 0;  // fencing token: grows with every exclusive owner; a shared holder gets the last one's
  /// A descriptor which keeps the lock held for as long as any process has it open, or -1 where the backend has
  /// no such thing. Owned by the backend, valid until release().
  int lifeline = -1;
  /// Empty where the kernel keeps the lock for as long as there is a process that has it.
  std::optional<Lease> lease;
};

struct HolderInfo {
  std::string id;  // short and useless for anything but telling holds apart
  std::optional<Mode> mode;
  std::string host;
  std::optional<pid_t> pid;  // in the process table that `host` and the caller share, else empty
  std::string user;
  Published published;
  std::optional<WallTime> acquired_at;
  std::optional<BootTime> acquired_at_boot;  // on the clock of `host`: a process started later only bears the same pid
  std::optional<WallTime> expires_at;
  bool foreign = false;  // another program than lockgate: known to the kernel, silent about itself
};

struct WaiterInfo {
  std::string host;
  std::optional<pid_t> pid;
  std::string user;
  std::optional<Mode> mode;
  std::optional<WallTime> since;
};

/// One lock as it was seen at one moment.
struct LockState {
  enum class State { held, expired, free, unknown };
  std::optional<std::string> name;  // empty where only a digest of it is known
  std::string key;                  // where it lies: the path
  std::optional<Mode> mode;
  State state = State::unknown;
  std::optional<std::uint64_t> token;
  std::vector<HolderInfo> holders;  // oldest first
  std::vector<WaiterInfo> waiters;  // in the order in which they will be served, as far as it is known
};

std::string_view to_string(LockState::State state);

/// The lock was not had.
struct Busy {
  enum class Why { held, timed_out };
  Why why = Why::held;
  std::string note;  // what else the place said of it ("the server was restarted and ..."); mostly empty
};

/// Something that happened to a lock.
struct LockEvent {
  enum class Kind {
    state,  // how it is: at the beginning, and again after events may have been missed
    acquired,
    released,
    expired,
    value,    // the value of a hold was changed
    waiting,  // another one queues
    broken,   // a hold was ended by force
  };
  WallTime time;
  std::string name;
  Kind kind = Kind::state;
  std::optional<HolderInfo> holder;  // whose doing it is; with `state`: one event a holder, none: it is free
  std::optional<WaiterInfo> waiter;  // with `waiting`
  std::optional<std::uint64_t> token;
};

std::string_view to_string(LockEvent::Kind kind);

}  // namespace lockgate
