// SPDX-License-Identifier: Apache-2.0
#include "backends/lock_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lockgate {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json time_or_null(const std::optional<WallTime>& time) {
  return time ? Json(rfc3339(*time)) : Json(nullptr);
}

template <typename Number>
Json or_null(const std::optional<Number>& number) {
  return number ? Json(*number) : Json(nullptr);
}

Json mode_or_null(const std::optional<Mode>& mode) {
  return mode ? Json(to_string(*mode)) : Json(nullptr);
}

Json to_json(const HolderInfo& holder) {
  return {{"id", text_or_null(holder.id)},
          {"mode", mode_or_null(holder.mode)},
          {"host", text_or_null(holder.host)},
          {"pid", or_null(holder.pid)},
          {"user", text_or_null(holder.user)},
          {"command", text_or_null(holder.published.command)},
          {"reason", text_or_null(holder.published.reason)},
          {"value", or_null(holder.published.value)},
          {"acquired_at", time_or_null(holder.acquired_at)},
          {"expires_at", time_or_null(holder.expires_at)}};
}

Json to_json(const WaiterInfo& waiter) {
  return {{"host", text_or_null(waiter.host)},
          {"pid", or_null(waiter.pid)},
          {"user", text_or_null(waiter.user)},
          {"mode", mode_or_null(waiter.mode)},
          {"since", time_or_null(waiter.since)}};
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string json_string(std::string_view text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  return plain ? '"' + std::string(text) + '"' : text_of(Json(text));
}

std::string holder_json(const HolderInfo& holder) {
  return text_of(to_json(holder));
}

std::string lock_json(const LockState& lock) {
  Json holders = Json::array();
  for (const HolderInfo& holder : lock.holders) {
    holders.push_back(to_json(holder));
  }
  Json waiters = Json::array();
  for (const WaiterInfo& waiter : lock.waiters) {
    Json entry = to_json(waiter);
    entry["position"] = waiters.size() + 1;
    waiters.push_back(std::move(entry));
  }
  const Json json = {{"name", or_null(lock.name)},
                     {"key", lock.key},
                     {"mode", mode_or_null(lock.mode)},
                     {"state", to_string(lock.state)},
                     {"fencing_token", or_null(lock.token)},
                     {"holders", holders},
                     {"waiters", waiters}};
  return text_of(json);
}

std::string event_json(const LockEvent& event) {
  const Json who = event.holder ? to_json(*event.holder) : event.waiter ? to_json(*event.waiter) : Json(nullptr);
  const Json value = event.holder ? or_null(event.holder->published.value) : Json(nullptr);
  const Json json = {{"time", rfc3339(event.time)},
                     {"name", event.name},
                     {"event", to_string(event.kind)},
                     {"holder", who},
                     {"value", value},
                     {"fencing_token", or_null(event.token)}};
  return text_of(json);
}

}  // namespace lockgate
