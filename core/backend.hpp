// SPDX-License-Identifier: Apache-2.0
// The contract between lockgate and a place where locks live. A new backend needs this header, a folder of its
// own below backends/ and one row in backends/registry.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/lock.hpp"
#include "core/waiting.hpp"

namespace lockgate {

/// What became of a release.
enum class Released {
  done,
  was_lost,  // the hold had already gone, or passed on to another; nothing was changed
};

/// The clear answer to a renewal.
struct Renewal {
  enum class Result { renewed, lost };
  Result result = Result::renewed;
  Lease lease;      // where it was renewed
  std::string why;  // where it was lost: "taken over by another", "the server does not know it any more"
};

/// How long one request may take.
struct Attempt {
  BootTime give_up = BootTime::max();
  int stop = -1;  // a descriptor; readable: nobody wants the answer any more
};

enum class ValueSet { done, was_lost };

/// What to watch: locks of these names, and those whose names begin so. Both empty: every lock of the place.
struct Watched {
  std::vector<LockName> names;
  std::vector<std::string> prefixes;
};

/// Whether a watcher wants to hear more.
enum class Hearing { more, enough };

struct LockIdentity {
  std::string url;  // of the place
  std::string name;
};

/// What became of one holder when its hold was broken.
struct Breaking {
  enum class Result { released, refused, still_held };
  HolderInfo holder;
  Result result = Result::refused;
  std::string why;  // where it was not released
};

/// A place where locks live. One thread at a time, with two exceptions: list() may be called while acquire() waits,
/// and renew() while list() or set_value() run. A backend may use threads of its own inside.
///
/// A backend fails closed: anything but a clear yes from the store is Busy or an Error, never a Grant.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Takes the lock, waiting for it as `waiting` allows and in the way that is native to the place (kernel queue,
  /// parked request, watch); it uses `waiting` for no longer than the call. Busy: another holds it and the wait was not
  /// wanted or ended. Throws Cancelled when the wait was called off, with no place left in the queue, and Error for
  /// everything that is neither yes nor no.
  virtual std::variant<Grant, Busy> acquire(const Request& request, Waiting& waiting) = 0;

  /// Gives the lock back, at once and for everyone who shares the hold. `grant` is spent afterwards. Does not wait for
  /// anybody; over a network it tries for at most a few seconds and throws Error(unavailable) if it has had no clear
  /// answer by then. A leased hold can be released by anyone who knows name and handle: the rest of `grant` may be
  /// empty.
  [[nodiscard]] virtual Released release(const Grant& grant) = 0;

  /// Leased places: asks once for another TTL. The lease then counts from before the request was sent. Name and handle
  /// of `grant` are enough. Throws Error(unavailable, not_allowed, not_understood) where there is no clear answer by
  /// `attempt.give_up`, or when `attempt.stop` became readable: the hold may or may not have been renewed.
  /// Where holds have no lease: renewed for ever if it is live, else lost.
  [[nodiscard]] virtual Renewal renew(const Grant& grant, const Attempt& attempt) = 0;

  /// Publishes another value, or none, with a hold that stays as it is. Name and handle of `grant` are enough.
  /// Throws Error(usage) where the place cannot do it.
  [[nodiscard]] virtual ValueSet set_value(const Grant& grant, const std::optional<std::string>& value) = 0;

  /// Tells `hear` how the locks are (an event of kind `state` for each holder, and for each of `what.names` that is
  /// free), then each change in its order, until `hear` has enough or `stop` becomes readable. After a break it begins
  /// again with `state`. Blocks. `hear` may call list(). Throws Error(usage) where the place cannot tell of changes.
  virtual void watch(const Watched& what, int stop, const std::function<Hearing(const LockEvent&)>& hear) = 0;

  /// Leaves the hold to the processes that still have its lifeline, and forgets it: for what could not be ended.
  virtual void abandon(const Grant& grant) = 0;

  /// Why `grant` may no longer exclude others although nobody released it (its file was removed, say); empty while
  /// all is well. Cheap: called every few seconds during a hold.
  [[nodiscard]] virtual std::optional<std::string> damage(const Grant& grant) = 0;

  /// True if the hold with this handle is live now in at least the mode `wanted`. Disturbs nothing.
  [[nodiscard]] virtual bool is_live(const LockName& name, const std::string& handle, Mode wanted) = 0;

  /// The state of each lock in `names`, in that order, or of every lock in the place if `names` is empty.
  /// Disturbs nothing, not for a moment: no lock is taken, no queue joined.
  [[nodiscard]] virtual std::vector<LockState> list(const std::vector<LockName>& names) = 0;

  /// The place as a URL without credentials: what LOCKGATE_BACKEND is set to.
  [[nodiscard]] virtual std::string url() const = 0;

  /// The lock in words that another process can find it by: for LOCKGATE_HELD and keepers' notes.
  [[nodiscard]] virtual LockIdentity identity(const LockName& name) const = 0;
  /// True if these are words for the lock `name` of this place, however they spell it.
  [[nodiscard]] virtual bool is_same(const LockIdentity& lock, const LockName& name) const = 0;

  /// Asks those who hold the lock to let go of it, and waits for at most `patience`. Says for each what became of it.
  /// Where one of them cannot be asked (another program, another host), none is.
  [[nodiscard]] virtual std::vector<Breaking> break_holds(const LockName& name, Duration patience) = 0;

  /// The place as people call it in a message: "/var/lock/lockgate".
  [[nodiscard]] virtual std::string place() const = 0;

  /// A line for each thing that is odd about the place, for `doctor`; empty if all is well.
  [[nodiscard]] virtual std::vector<std::string> diagnose() = 0;
};

}  // namespace lockgate
