// SPDX-License-Identifier: Apache-2.0
// The stream of changes, as server-sent events (HTML standard, "Server-sent events"): first how everything is, then
// what happens. A reader that is too slow is cut off and comes back, rather than filling the server's memory.
#include <fmt/format.h>

#include <algorithm>

#include "backends/http/server/refusal.hpp"
#include "backends/http/server/routes.hpp"
#include "backends/lock_json.hpp"
#include "core/error.hpp"

namespace lockgate::server {
namespace {

constexpr std::chrono::seconds kKeepAlive{15};
constexpr std::size_t kMaxUnread = 1 << 20;  // bytes that wait for one reader

std::string message(std::string_view event, std::uint64_t id, const std::string& data) {
  return fmt::format("event: {}\nid: {}\ndata: {}\n\n", event, id, data);
}

/// What one reader wants to hear, and has not been sent yet.
class Listener {
 public:
  Listener(Exchange& exchange, LockTable& table, const Caller& caller)
      : exchange_(exchange), table_(table), caller_(caller), names_(named_in_query(exchange.request())) {
    for (const auto& [key, value] : exchange.request().query) {
      if (key == "prefix") {
        prefixes_.push_back(value);
      }
    }
    for (const LockName& name : names_) {
      demand(caller, Role::read, name.text());
    }
    subscription_ = table_.subscribe([this](const TableEvent& event) { hear(event); });
    tell_state();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { table_.unsubscribe(subscription_); }

  [[nodiscard]] bool too_slow() const { return unread_.size() > kMaxUnread; }
  std::string take() { return std::exchange(unread_, {}); }

 private:
  [[nodiscard]] bool wants(const std::string& name) const {
    const bool everything = names_.empty() && prefixes_.empty();
    const bool named = std::any_of(names_.begin(), names_.end(), [&](const LockName& n) { return n.text() == name; });
    const bool begins = std::any_of(prefixes_.begin(), prefixes_.end(),
                                    [&](const std::string& prefix) { return name.starts_with(prefix); });
    return (everything || named || begins) && caller_.may_see(name);
  }

  void hear(const TableEvent& event) {
    if (wants(event.event.name) && !too_slow()) {
      unread_ += message(to_string(event.event.kind), event.id, event_json(event.event));
      exchange_.wake();
    }
  }

  void tell_state() {
    const std::uint64_t id = table_.last_event_id();
    std::vector<LockState> locks =
        names_.empty() && !prefixes_.empty() ? std::vector<LockState>() : table_.list(names_, "");
    for (const std::string& prefix : prefixes_) {
      auto more = table_.list({}, prefix);
      std::move(more.begin(), more.end(), std::back_inserter(locks));
    }
    for (const LockState& lock : locks) {
      LockEvent event{wall_now(), lock.name.value_or(""), LockEvent::Kind::state, {}, {}, lock.token};
      if (!caller_.may_see(event.name)) {
        continue;
      }
      if (lock.holders.empty()) {
        unread_ += message("state", id, event_json(event));
      }
      for (const HolderInfo& holder : lock.holders) {
        event.holder = holder;
        unread_ += message("state", id, event_json(event));
      }
    }
    unread_ += message("ready", id, "{}");
  }

  Exchange& exchange_;
  LockTable& table_;
  const Caller& caller_;
  std::vector<LockName> names_;
  std::vector<std::string> prefixes_;
  std::uint64_t subscription_ = 0;
  std::string unread_;
};

}  // namespace

std::vector<LockName> named_in_query(const HttpRequest& request) {
  std::vector<LockName> names;
  for (const auto& [key, value] : request.query) {
    if (key != "name") {
      continue;
    }
    try {
      names.emplace_back(value);
    } catch (const Error& error) {
      throw Refusal{
          .status = 422, .code = "bad_value", .message = error.what(), .hint = error.next_step(), .member = "name"};
    }
  }
  return names;
}

Reply Routes::events(Context& context) {
  demand(context.caller, Role::read);
  Exchange& exchange = context.exchange;
  Listener listener(exchange, world_.table, context.caller);
  std::string type = "text/event-stream";
  bool reads = co_await exchange.begin_stream(std::move(type));
  while (reads && !stopping_) {
    std::string unread = listener.take();
    reads = co_await exchange.write(std::move(unread));
    if (!reads || listener.too_slow()) {
      break;
    }
    const std::optional<BootTime> until = BootClock::now() + kKeepAlive;
    const Unparked why = co_await exchange.park(until);
    if (why == Unparked::time_over) {
      std::string keep_alive = ": keep-alive\n\n";
      reads = co_await exchange.write(std::move(keep_alive));
    } else if (why != Unparked::woken) {
      break;
    }
  }
  HttpReply reply;
  co_return reply;
}

}  // namespace lockgate::server
