// SPDX-License-Identifier: Apache-2.0
#include "cli/status_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "backends/lock_json.hpp"
#include "cli/describe.hpp"
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
    const std::string expires =
        holder.expires_at ? format_duration(std::max(Duration(0), Duration(*holder.expires_at - now))) : "";
    rows.push_back({first ? cell(name_of(lock)) : "", holder.mode ? std::string(to_string(*holder.mode)) : "held",
                    cell(holder_cell(holder)), cell(since_cell(holder, now)), cell(expires), first ? cell(waiting) : "",
                    cell(holder.published.value.value_or(""))});
    first = false;
  }
}

std::string dump(const Json& document, Layout layout) {
  return document.dump(layout == Layout::indented ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string describe(const WaiterInfo& waiter) {
  std::string text = waiter.user.empty() ? "?" : printable(waiter.user);
  text += waiter.host.empty() ? "" : "@" + printable(waiter.host);
  text += waiter.pid ? fmt::format(" pid {}", *waiter.pid) : "";
  return text + (waiter.mode ? fmt::format(", {}", to_string(*waiter.mode)) : "");
}

std::string whose(const LockEvent& event) {
  if (event.waiter) {
    return describe(*event.waiter);
  }
  if (!event.holder) {
    return event.kind == LockEvent::Kind::state ? "free" : "";
  }
  HolderInfo holder = *event.holder;
  if (event.kind == LockEvent::Kind::acquired) {
    holder.acquired_at.reset();  // just now, as the line says
  }
  std::string text = describe(holder, event.time);
  text += event.holder->mode == Mode::shared ? ", shared" : "";
  if (event.holder->published.value) {
    text += ", value " + quote(*event.holder->published.value);
  }
  return text;
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
    list.push_back(Json::parse(lock_json(lock)));
  }
  const Json document = {{"backend", {{"kind", backend.kind}, {"target", backend.target}}}, {"locks", list}};
  return dump(document, layout);
}

std::string values_to_json(const LockState& lock) {
  Json holders = Json::array();
  for (const HolderInfo& holder : lock.holders) {
    if (holder.published.value) {
      holders.push_back(Json::parse(holder_json(holder)));
    }
  }
  return dump({{"name", lock.name ? Json(*lock.name) : Json(nullptr)},
               {"fencing_token", lock.token ? Json(*lock.token) : Json(nullptr)},
               {"holders", holders}},
              Layout::indented);
}

std::string to_line(const LockEvent& event) {
  const std::string who = whose(event);
  return fmt::format("{} {} {}{}\n", rfc3339(event.time), quote(event.name), to_string(event.kind),
                     who.empty() ? "" : ": " + who);
}

std::string to_json_line(const LockEvent& event) {
  return event_json(event) + "\n";
}

}  // namespace lockgate
