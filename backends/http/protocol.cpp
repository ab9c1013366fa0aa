// SPDX-License-Identifier: Apache-2.0
#include "backends/http/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "backends/http/rfc3339.hpp"
#include "backends/json_check.hpp"
#include "core/text.hpp"

namespace lockgate::http {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxMillis = std::int64_t{366} * 24 * 3600 * 1000;

Json parse_object(std::string_view body) {
  Json json;
  if (const auto flaw = read_json(body, kMaxJsonDepth, json)) {
    throw NotUnderstood{flaw->what};
  }
  if (!json.is_object()) {
    throw NotUnderstood{"it is no JSON object"};
  }
  return json;
}

/// The member, or null where it is missing or null.
const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

[[noreturn]] void wrong(const char* name, const char* what) {
  throw NotUnderstood{fmt::format("its member \"{}\" is {}", name, what)};
}

std::optional<std::string> text_or_null(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (value.is_null()) {
    return std::nullopt;
  }
  if (!value.is_string()) {
    wrong(name, "no text");
  }
  return value.get<std::string>();
}

std::string text_of(const Json& object, const char* name) {
  return text_or_null(object, name).value_or("");
}

/// Empty where it is missing or null; a number that is no whole one, or out of these bounds, is wrong.
std::optional<std::uint64_t> number_or_null(const Json& object, const char* name, std::uint64_t most) {
  const Json& value = member(object, name);
  if (value.is_null()) {
    return std::nullopt;
  }
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    wrong(name, "no whole number in its bounds");
  }
  return value.get<std::uint64_t>();
}

std::uint64_t number_of(const Json& object, const char* name, std::uint64_t most) {
  const auto value = number_or_null(object, name, most);
  if (!value) {
    wrong(name, "missing");
  }
  return *value;
}

Duration millis_of(const Json& object, const char* name) {
  return std::chrono::milliseconds(number_of(object, name, kMaxMillis));
}

std::optional<Mode> mode_or_null(const Json& object) {
  const auto text = text_or_null(object, "mode");
  if (text && *text != "exclusive" && *text != "shared") {
    wrong("mode", "neither exclusive nor shared");
  }
  return text ? std::optional(*text == "shared" ? Mode::shared : Mode::exclusive) : std::nullopt;
}

std::optional<WallTime> time_or_null(const Json& object, const char* name) {
  const auto text = text_or_null(object, name);
  if (!text) {
    return std::nullopt;
  }
  const auto time = parse_rfc3339(*text);
  if (!time) {
    wrong(name, "no time");
  }
  return time;
}

std::optional<pid_t> pid_or_null(const Json& object) {
  const auto pid = number_or_null(object, "pid", INT32_MAX);
  return pid ? std::optional(static_cast<pid_t>(*pid)) : std::nullopt;
}

const Json& array_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_object(); })) {
    wrong(name, "no list of objects");
  }
  return value;
}

HolderInfo decode_holder(const Json& json) {
  HolderInfo holder;
  holder.id = text_of(json, "id");
  holder.mode = mode_or_null(json);
  holder.host = text_of(json, "host");
  holder.pid = pid_or_null(json);
  holder.user = text_of(json, "user");
  holder.published = {text_of(json, "command"), text_of(json, "reason"), text_or_null(json, "value")};
  holder.acquired_at = time_or_null(json, "acquired_at");
  holder.expires_at = time_or_null(json, "expires_at");
  return holder;
}

WaiterInfo decode_waiter(const Json& json) {
  return {text_of(json, "host"), pid_or_null(json), text_of(json, "user"), mode_or_null(json),
          time_or_null(json, "since")};
}

LockState::State decode_state(const Json& json) {
  const std::string text = text_of(json, "state");
  for (const auto state :
       {LockState::State::held, LockState::State::expired, LockState::State::free, LockState::State::unknown}) {
    if (text == to_string(state)) {
      return state;
    }
  }
  wrong("state", "no state of a lock");
}

LockState decode_lock(const Json& json) {
  LockState lock;
  lock.name = text_or_null(json, "name");
  lock.key = text_of(json, "key");
  lock.mode = mode_or_null(json);
  lock.state = decode_state(json);
  lock.token = number_or_null(json, "fencing_token", UINT64_MAX);
  for (const Json& holder : array_of(json, "holders")) {
    lock.holders.push_back(decode_holder(holder));
  }
  for (const Json& waiter : array_of(json, "waiters")) {
    lock.waiters.push_back(decode_waiter(waiter));
  }
  return lock;
}

std::optional<LockEvent::Kind> kind_of(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(LockEvent::Kind::broken); ++i) {
    const auto kind = static_cast<LockEvent::Kind>(i);
    if (text == to_string(kind)) {
      return kind;
    }
  }
  return std::nullopt;
}

Granted decode_grant(const Json& json, Duration asked) {
  Granted granted;
  granted.handle = text_of(json, "handle");
  if (!is_handle(granted.handle)) {
    wrong("handle", "no handle");
  }
  granted.token = number_of(json, "fencing_token", UINT64_MAX);
  granted.ttl_left = millis_of(json, "ttl_ms");
  if (granted.ttl_left <= Duration(0) || granted.ttl_left > asked) {
    wrong("ttl_ms", "no part of what was asked for");
  }
  const Json& waited = member(json, "waited");
  if (!waited.is_null() && !waited.is_boolean()) {
    wrong("waited", "neither true nor false");
  }
  granted.waited = waited.is_boolean() && waited.get<bool>();
  return granted;
}

MustWait decode_wait(const Json& json) {
  MustWait wait;
  if (number_or_null(json, "grace_ms", kMaxMillis)) {
    wait.grace = millis_of(json, "grace_ms");
  }
  wait.note = text_of(json, "note");
  return wait;
}

Json name_and_handle(const Grant& grant) {
  return {{"name", grant.name.text()}, {"handle", grant.handle}};
}

Json text_json(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json();
}

/// Texts of ours may come from argv and have any bytes: those that are no UTF-8 are replaced.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::int64_t millis(Duration duration) {
  return std::chrono::floor<std::chrono::milliseconds>(duration).count();
}

}  // namespace

std::string acquire_body(const Request& request, const AcquireWish& wish, const Myself& myself) {
  return dump({{"name", request.name.text()},
               {"mode", to_string(request.mode)},
               {"request_id", wish.request_id},
               {"acquirer_id", wish.acquirer_id},
               {"ttl_ms", millis(request.ttl)},
               {"wait_ms", wish.wait.count()},
               {"pass_queue", request.ancestor_shares},
               {"value", text_json(request.published.value)},
               {"holder",
                {{"host", myself.host},
                 {"pid", myself.pid},
                 {"user", myself.user},
                 {"command", request.published.command},
                 {"reason", request.published.reason}}}});
}

std::string renew_body(const Grant& grant, Duration ttl) {
  Json json = name_and_handle(grant);
  if (ttl > Duration(0)) {
    json["ttl_ms"] = millis(ttl);
  }
  if (grant.token != 0) {
    // A server that keeps its locks in memory takes a hold back by these after it was started anew.
    json["mode"] = to_string(grant.mode);
    json["fencing_token"] = grant.token;
  }
  return dump(json);
}

std::string release_body(const Grant& grant, const std::string& request_id) {
  Json json = name_and_handle(grant);
  json["request_id"] = request_id;
  return dump(json);
}

std::string leave_body(const LockName& name, const std::string& acquirer_id) {
  return dump({{"name", name.text()}, {"acquirer_id", acquirer_id}});
}

std::string value_body(const Grant& grant, const std::optional<std::string>& value) {
  Json json = name_and_handle(grant);
  json["value"] = text_json(value);
  return dump(json);
}

std::string break_body(const LockName& name) {
  return dump({{"name", name.text()}});
}

AcquireAnswer decode_acquire(std::string_view body, Duration asked) {
  const Json json = parse_object(body);
  const std::string outcome = text_of(json, "outcome");
  if (outcome == "granted") {
    return decode_grant(json, asked);
  }
  if (outcome != "wait") {
    wrong("outcome", "neither granted nor wait");
  }
  return decode_wait(json);
}

Renewed decode_renew(std::string_view body) {
  const Json json = parse_object(body);
  const Renewed renewed{millis_of(json, "ttl_ms"), number_of(json, "fencing_token", UINT64_MAX)};
  if (renewed.ttl <= Duration(0)) {
    wrong("ttl_ms", "nothing");
  }
  return renewed;
}

void expect_outcome(std::string_view body, std::string_view word) {
  if (text_of(parse_object(body), "outcome") != word) {
    throw NotUnderstood{fmt::format("its member \"outcome\" is not \"{}\"", word)};
  }
}

std::vector<LockState> decode_locks(std::string_view body) {
  const Json json = parse_object(body);
  std::vector<LockState> locks;
  for (const Json& lock : array_of(json, "locks")) {
    locks.push_back(decode_lock(lock));
  }
  return locks;
}

std::vector<HolderInfo> decode_broken(std::string_view body) {
  const Json json = parse_object(body);
  std::vector<HolderInfo> holders;
  for (const Json& holder : array_of(json, "broken")) {
    holders.push_back(decode_holder(holder));
  }
  return holders;
}

LockEvent decode_event(std::string_view data) {
  const Json json = parse_object(data);
  LockEvent event;
  event.time = time_or_null(json, "time").value_or(WallTime());
  event.name = text_of(json, "name");
  const auto kind = kind_of(text_of(json, "event"));
  if (!kind) {
    wrong("event", "no event of a lock");
  }
  event.kind = *kind;
  event.token = number_or_null(json, "fencing_token", UINT64_MAX);
  const bool waits = event.kind == LockEvent::Kind::waiting;
  const Json& who = member(json, waits && json.contains("waiter") ? "waiter" : "holder");
  if (!who.is_null() && !who.is_object()) {
    wrong("holder", "no object");
  }
  if (waits && who.is_object()) {
    event.waiter = decode_waiter(who);
  } else if (who.is_object()) {
    event.holder = decode_holder(who);
  }
  return event;
}

bool is_event_kind(std::string_view text) {
  return kind_of(text).has_value();
}

std::optional<ServerError> decode_error(std::string_view body) {
  try {
    const Json json = parse_object(body);
    const Json& error = member(json, "error");
    if (error.is_object() && member(error, "code").is_string()) {
      return ServerError{text_of(error, "code"), text_of(error, "message"), text_of(error, "hint")};
    }
  } catch (const NotUnderstood&) {
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<ServerInfo> decode_info(std::string_view body) {
  try {
    const Json json = parse_object(body);
    if (text_of(json, "service") == "lockgate") {
      return ServerInfo{text_of(json, "version"), static_cast<std::int64_t>(number_of(json, "api", INT32_MAX))};
    }
  } catch (const NotUnderstood&) {
    return std::nullopt;
  }
  return std::nullopt;
}

bool is_lockgate_answer(std::string_view body) {
  if (decode_error(body)) {
    return true;
  }
  try {
    const Json json = parse_object(body);
    return member(json, "outcome").is_string() || member(json, "locks").is_array() ||
           member(json, "broken").is_array() || (json.contains("ttl_ms") && json.contains("fencing_token"));
  } catch (const NotUnderstood&) {
    return false;
  }
}

bool is_handle(std::string_view text) {
  constexpr std::size_t kShortest = 8;  // less could be guessed
  constexpr std::size_t kLongest = 128;
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  };
  return text.size() >= kShortest && text.size() <= kLongest && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace lockgate::http
