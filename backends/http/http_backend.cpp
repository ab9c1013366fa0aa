// SPDX-License-Identifier: Apache-2.0
#include "backends/http/http_backend.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <map>
#include <mutex>

#include "backends/http/diagnosis.hpp"
#include "backends/http/go_locks.hpp"
#include "backends/http/lock_server.hpp"
#include "backends/http/v1_acquire.hpp"
#include "backends/http/v1_calls.hpp"
#include "backends/http/v1_watch.hpp"
#include "core/duration.hpp"
#include "core/handle.hpp"
#include "core/user.hpp"

namespace lockgate {
namespace http {
namespace {

using std::chrono::seconds;

/// For a request that nobody waits longer for.
constexpr seconds kPatience{5};
/// For a look at the holders in the middle of a wait.
constexpr seconds kShortPatience{2};
/// What one query may have of names, in bytes: servers bound the target of a request.
constexpr std::size_t kMaxQuery = 1500;

Myself about_this_process() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  gethostname(host.data(), host.size() - 1);
  const auto user = find_user(geteuid());
  return {host.data(), getpid(), user ? user->name : std::to_string(geteuid())};
}

/// A connection that is made when it is first needed.
class Line {
 public:
  explicit Line(const LockServer& server) : server_(server) {}
  HttpClient& get() {
    if (!client_) {
      client_ = server_.connect();
    }
    return *client_;
  }

 private:
  const LockServer& server_;
  std::unique_ptr<HttpClient> client_;
};

/// What is kept of a hold beside its Grant.
struct Kept {
  Duration ttl{};          // as it was asked for
  std::string release_id;  // of a release that had no clear answer: it is asked again with the same
};

/// True while it lives.
class During {
 public:
  explicit During(std::atomic<bool>& flag) : flag_(flag) { flag_ = true; }
  ~During() { flag_ = false; }
  During(const During&) = delete;
  During& operator=(const During&) = delete;

 private:
  std::atomic<bool>& flag_;
};

class HttpBackend final : public Backend {
 public:
  explicit HttpBackend(HttpPlace place) : server_(std::move(place)) {
    main_.get();  // so that a URL or a token that cannot be is told before anything else
    if (server_.has_token()) {
      renewing_.get();  // later its file may be away for a moment, and a hold depends on it
    }
  }

  std::variant<Grant, Busy> acquire(const Request& request, Waiting& waiting) override;
  Released release(const Grant& grant) override;
  Renewal renew(const Grant& grant, const Attempt& attempt) override;
  ValueSet set_value(const Grant& grant, const std::optional<std::string>& value) override;
  void watch(const Watched& what, int stop, const std::function<Hearing(const LockEvent&)>& hear) override;
  void abandon(const Grant& grant) override;
  /// The server tells of that when the hold is renewed.
  std::optional<std::string> damage(const Grant& /*grant*/) override { return std::nullopt; }
  bool is_live(const LockName& name, const std::string& handle, Mode wanted) override;
  std::vector<LockState> list(const std::vector<LockName>& names) override;
  std::string url() const override { return server_.url(); }
  LockIdentity identity(const LockName& name) const override { return {url(), name.text()}; }
  bool is_same(const LockIdentity& lock, const LockName& name) const override;
  std::vector<Breaking> break_holds(const LockName& name, Duration patience) override;
  std::string place() const override { return url(); }
  std::vector<std::string> diagnose() override { return diagnose_server(server_, main_.get()); }

 private:
  template <class Ours, class Go>
  auto in_its_language(Ours ours, Go go);
  template <class Once>
  Released release_until(BootTime end, Once once);
  [[nodiscard]] Error go_cannot(const std::string& what) const;
  Kept kept(const std::string& handle);
  std::vector<LockState> ask_list(const std::vector<LockName>& names);
  std::vector<LockState> list_in_pieces(const std::vector<LockName>& names);
  const Myself& myself();

  LockServer server_;
  Line main_{server_};      // acquire, release, set_value, watch, break_holds
  Line looking_{server_};   // list, also in the middle of an acquire
  Line renewing_{server_};  // renew, beside all others
  std::optional<Myself> myself_;
  std::atomic<bool> acquiring_{false};
  std::mutex mutex_;                  // guards what follows
  std::map<std::string, Kept> kept_;  // by handle
};

/// What the server speaks, by trying ours first.
template <class Ours, class Go>
auto HttpBackend::in_its_language(Ours ours, Go go) {
  if (server_.dialect() != Dialect::go) {
    try {
      return ours();
    } catch (const SpeaksGo&) {
      // from here on
    }
  }
  return go();
}

const Myself& HttpBackend::myself() {
  if (!myself_) {
    myself_ = about_this_process();
  }
  return *myself_;
}

Kept HttpBackend::kept(const std::string& handle) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(handle);
  return found == kept_.end() ? Kept() : found->second;
}

std::variant<Grant, Busy> HttpBackend::acquire(const Request& request, Waiting& waiting) {
  const During during(acquiring_);
  auto result = in_its_language([&] { return V1Acquire(server_, main_.get(), request, waiting, myself()).run(); },
                                [&] { return GoLocks(server_, main_.get()).acquire(request, waiting); });
  if (const auto* grant = std::get_if<Grant>(&result); grant != nullptr && server_.dialect() == Dialect::ours) {
    const std::lock_guard lock(mutex_);
    kept_[grant->handle].ttl = request.ttl;
  }
  return result;
}

Renewal HttpBackend::renew(const Grant& grant, const Attempt& attempt) {
  const HttpWait wait{.give_up = attempt.give_up, .stop = attempt.stop};
  try {
    const Duration ttl = kept(grant.handle).ttl;
    auto asked =
        in_its_language([&] { return V1(server_, renewing_.get()).renew(grant, ttl, wait); },
                        [&] { return GoLocks(server_, renewing_.get()).renew(grant.name, grant.handle, wait); });
    if (const auto* setback = std::get_if<Setback>(&asked)) {
      throw setback->error;
    }
    return std::get<Renewal>(std::move(asked));
  } catch (const HttpStopped&) {
    throw Error(ExitCode::unavailable, fmt::format("the renewal of {} was called off", grant.name.quoted()));
  }
}

/// Asks `once` (given whether an earlier request may have been carried out) until there is an answer.
template <class Once>
Released HttpBackend::release_until(BootTime end, Once once) {
  auto tried = GoLocks::TriedBefore::no;
  Backoff backoff;
  while (true) {
    auto asked = once(tried);
    if (const auto* released = std::get_if<Released>(&asked)) {
      return *released;
    }
    const auto& setback = std::get<Setback>(asked);
    if (setback.sent == Setback::Sent::perhaps) {
      tried = GoLocks::TriedBefore::perhaps;
    }
    const Duration pause = std::max(backoff.next(), setback.retry_after.value_or(Duration(0)));
    if (BootClock::now() + pause >= end || once.must_not_repeat(setback)) {
      throw Error(ExitCode::unavailable, std::string("the lock could not be given back: ") + setback.error.what(),
                  "it ends by itself when its lease runs out");
    }
    AcquireWait::nap(pause);
  }
}

/// A release in our language may be asked for again and again: its id makes it one.
struct ReleaseByV1 {
  V1 server;
  const Grant& grant;
  std::string id;
  BootTime end;
  auto operator()(GoLocks::TriedBefore /*tried*/) { return server.release(grant, id, {.give_up = end}); }
  static bool must_not_repeat(const Setback& /*setback*/) { return false; }
};

/// All readers of a Go server bear one handle, and are only counted: the same release twice would let a writer in
/// beside another reader.
struct ReleaseByGo {
  GoLocks server;
  const Grant& grant;
  BootTime end;
  auto operator()(GoLocks::TriedBefore tried) {
    return server.release(grant.name, grant.handle, tried, {.give_up = end});
  }
  [[nodiscard]] bool must_not_repeat(const Setback& setback) const {
    return grant.mode == Mode::shared && setback.sent != Setback::Sent::no;
  }
};

Released HttpBackend::release(const Grant& grant) {
  const BootTime now = BootClock::now();
  BootTime end = now + kPatience;
  if (grant.lease) {
    // Once the lease is over there is nothing to give back, but it may be another's by now, which is worth knowing.
    end = std::clamp<BootTime>(grant.lease->counted_from + grant.lease->ttl, now + seconds(1), end);
  }
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    std::string& kept_id = kept_[grant.handle].release_id;
    kept_id = kept_id.empty() ? new_handle() : kept_id;
    id = kept_id;
  }
  const Released released = in_its_language(
      [&] {
        return release_until(end, ReleaseByV1{V1(server_, main_.get()), grant, id, end});
      },
      [&] {
        return release_until(end, ReleaseByGo{GoLocks(server_, main_.get()), grant, end});
      });
  const std::lock_guard lock(mutex_);
  kept_.erase(grant.handle);
  return released;
}

Error HttpBackend::go_cannot(const std::string& what) const {
  return {ExitCode::usage, fmt::format("{} is a lock server of the Go library, which cannot {}", url(), what),
          "lockgate serve speaks that library's language too, and can"};
}

ValueSet HttpBackend::set_value(const Grant& grant, const std::optional<std::string>& value) {
  auto asked = in_its_language(
      [&] { return V1(server_, main_.get()).set_value(grant, value, {.give_up = BootClock::now() + kPatience}); },
      [&]() -> std::variant<ValueSet, Setback> { throw go_cannot("publish values"); });
  if (const auto* setback = std::get_if<Setback>(&asked)) {
    throw setback->error;
  }
  return std::get<ValueSet>(asked);
}

void HttpBackend::watch(const Watched& what, int stop, const std::function<Hearing(const LockEvent&)>& hear) {
  in_its_language([&] { watch_v1(server_, main_.get(), what, stop, hear); },
                  [&] { throw go_cannot("tell of changes"); });
}

/// The server keeps nothing but the lease, and nobody can leave that to a process: it runs out by itself.
void HttpBackend::abandon(const Grant& grant) {
  const std::lock_guard lock(mutex_);
  kept_.erase(grant.handle);
}

bool HttpBackend::is_live(const LockName& name, const std::string& handle, Mode wanted) {
  // Not by a renewal, which would lengthen its life.
  const std::string id = public_id_text(handle);
  const auto locks = list({name});
  const auto& holders = locks.front().holders;
  return std::any_of(holders.begin(), holders.end(), [&](const HolderInfo& holder) {
    return holder.id == id && (wanted == Mode::shared || holder.mode == Mode::exclusive);
  });
}

/// A Go server lists nothing.
std::vector<LockState> unknown_states(const std::vector<LockName>& names) {
  std::vector<LockState> states(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    states[i].name = names[i].text();
    states[i].key = names[i].text();
  }
  return states;
}

std::vector<LockState> HttpBackend::ask_list(const std::vector<LockName>& names) {
  const HttpWait wait{.give_up = BootClock::now() + (acquiring_ ? kShortPatience : kPatience)};
  return in_its_language([&] { return V1(server_, looking_.get()).list(names, wait); },
                         [&] { return unknown_states(names); });
}

/// In the order of `names`, whatever the server's is.
std::vector<LockState> HttpBackend::list_in_pieces(const std::vector<LockName>& names) {
  std::vector<LockState> ordered;
  for (auto next = names.begin(); next != names.end();) {
    std::vector<LockName> piece;
    for (std::size_t size = 0; next != names.end() && (piece.empty() || size + 3 * next->text().size() < kMaxQuery);
         ++next) {
      size += 3 * next->text().size() + std::string_view("&name=").size();
      piece.push_back(*next);
    }
    std::map<std::string, LockState> found;
    for (LockState& lock : ask_list(piece)) {
      const std::string name = lock.name.value_or("");
      found.emplace(name, std::move(lock));
    }
    for (const LockName& name : piece) {
      const auto state = found.find(name.text());
      if (state == found.end()) {
        throw Error(ExitCode::not_understood, fmt::format("{} says nothing of {}", url(), name.quoted()));
      }
      ordered.push_back(state->second);
    }
  }
  return ordered;
}

std::vector<LockState> HttpBackend::list(const std::vector<LockName>& names) {
  return names.empty() ? ask_list({}) : list_in_pieces(names);
}

bool HttpBackend::is_same(const LockIdentity& lock, const LockName& name) const {
  try {
    return lock.name == name.text() && HttpUrl::parse(lock.url).text() == url();
  } catch (const Error&) {
    return false;  // of another kind of place
  }
}

std::vector<Breaking> HttpBackend::break_holds(const LockName& name, Duration patience) {
  const HttpWait wait{.give_up = BootClock::now() + std::max<Duration>(patience, seconds(1))};
  const auto broken = in_its_language([&] { return V1(server_, main_.get()).break_holds(name, wait); },
                                      [&]() -> std::vector<HolderInfo> { throw go_cannot("break a hold"); });
  std::vector<Breaking> result;
  result.reserve(broken.size());
  for (const HolderInfo& holder : broken) {
    result.push_back({holder, Breaking::Result::released, ""});
  }
  return result;
}

}  // namespace
}  // namespace http

std::unique_ptr<Backend> make_http_backend(const BackendPlace& place) {
  return std::make_unique<http::HttpBackend>(place.http);
}

}  // namespace lockgate
