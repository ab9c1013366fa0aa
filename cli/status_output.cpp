// SPDX-License-Identifier: Apache-2.0
#include "cli/status_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/duration.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::array<std::string, 7>;

constexpr std::size_t kWidestCell = 40;
constexpr auto kNothing = "-";

/// The columns that `text` takes on a terminal, taking each character for one wide: enough for names.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cell(const std::string& text) {
  std::string shown = text.empty() ? kNothing : printable(text);
  if (width(shown) > kWidestCell) {
    std::size_t end = 0;
    for (std::size_t columns = 0; columns < kWidestCell - 3; ++end) {
      columns += (static_cast<unsigned char>(shown[end]) & 0xC0) != 0x80 ? 1U : 0U;
    }
    while ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) {
      ++end;
    }
    shown = shown.substr(0, end) + "...";
  }
  return shown;
}

std::string holder_cell(const HolderInfo& holder) {
  std::string text = holder.user.empty() ? "?" : holder.user;
  if (!holder.host.empty()) {
    text += "@" + holder.host;
  }
  if (holder.pid) {
    text += fmt::format(" {}", *holder.pid);
  }
  if (!holder.published.command.empty()) {
    text += fmt::format(" ({})", holder.published.command);
  }
  return text;
}

std::string since_cell(const HolderInfo& holder, WallTime now) {
  return holder.acquired_at ? format_duration(std::max(Duration(0), Duration(now - *holder.acquired_at))) : "";
}

std::string name_of(const LockState& lock) {
  return lock.name ? *lock.name : lock.key.substr(lock.key.rfind('/') + 1, 12) + "...";
}

void add_rows(std::vector<Row>& rows, const LockState& lock, WallTime now) {
  const std::string waiting = lock.waiters.empty() ? "" : std::to_string(lock.waiters.size());
  if (lock.holders.empty()) {
    rows.push_back({cell(name_of(lock)), std::string(to_string(lock.state)), kNothing, kNothing, kNothing,
                    cell(waiting), kNothing});
    return;
  }
  bool first = true;
  for (const HolderInfo& holder : lock.holders) {
    const std::string expires = holder.expires_at ? format_duration(*holder.expires_at - now) : "";
    rows.push_back({first ? cell(name_of(lock)) : "", holder.mode ? std::string(to_string(*holder.mode)) : "held",
                    cell(holder_cell(holder)), cell(since_cell(holder, now)), cell(expires), first ? cell(waiting) : "",
                    cell(holder.published.value.value_or(""))});
    first = false;
  }
}

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

Json holder_json(const HolderInfo& holder) {
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

Json lock_json(const LockState& lock) {
  Json holders = Json::array();
  for (const HolderInfo& holder : lock.holders) {
    holders.push_back(holder_json(holder));
  }
  Json waiters = Json::array();
  for (const WaiterInfo& waiter : lock.waiters) {
    waiters.push_back({{"host", text_or_null(waiter.host)},
                       {"pid", or_null(waiter.pid)},
                       {"user", text_or_null(waiter.user)},
                       {"mode", mode_or_null(waiter.mode)},
                       {"since", time_or_null(waiter.since)},
                       {"position", waiters.size() + 1}});
  }
  return {{"name", or_null(lock.name)},
          {"key", lock.key},
          {"mode", mode_or_null(lock.mode)},
          {"state", to_string(lock.state)},
          {"fencing_token", or_null(lock.token)},
          {"holders", holders},
          {"waiters", waiters}};
}

bool matters(const LockState& lock) {
  return lock.state != LockState::State::free || !lock.waiters.empty();
}

}  // namespace

std::string to_table(const std::vector<LockState>& locks, WallTime now, Style style, ShowFree show_free) {
  std::vector<Row> rows = {{"NAME", "MODE", "HOLDER", "SINCE", "EXPIRES", "WAITING", "VALUE"}};
  for (const LockState& lock : locks) {
    if (show_free == ShowFree::yes || matters(lock)) {
      add_rows(rows, lock, now);
    }
  }
  if (rows.size() == 1) {
    return "";
  }
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(row[i]));
    }
  }
  std::string table;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    const bool bold = style == Style::colour && &row == &rows.front();
    table += bold ? "\x1b[1m" + line + "\x1b[0m\n" : line + "\n";
  }
  return table;
}

std::string to_json(const BackendLabel& backend, const std::vector<LockState>& locks, Layout layout) {
  Json list = Json::array();
  for (const LockState& lock : locks) {
    list.push_back(lock_json(lock));
  }
  const Json document = {{"backend", {{"kind", backend.kind}, {"target", backend.target}}}, {"locks", list}};
  return document.dump(layout == Layout::indented ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lockgate
