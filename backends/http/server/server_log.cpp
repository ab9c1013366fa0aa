// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/server_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/text.hpp"

namespace lockgate::server {
namespace {

using Json = nlohmann::ordered_json;

void write_line(const std::string& line) {
  const std::string text = line + "\n";
  // A log that nobody takes is no reason to stop.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

double in_ms(Duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

}  // namespace

void ServerLog::write(const char* level, const std::string& text) const {
  if (format_ == LogFormat::text) {
    write_line("lockgate: " + text);
    return;
  }
  const Json line = {{"time", rfc3339(wall_now())}, {"level", level}, {"message", text}};
  write_line(line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void ServerLog::say(const std::string& text) const {
  if (verbosity_ >= 0) {
    write("info", text);
  }
}

void ServerLog::request(const RequestNote& note) const {
  if (verbosity_ < 1) {
    return;
  }
  if (format_ == LogFormat::json) {
    const Json line = {{"time", rfc3339(wall_now())},
                       {"level", "info"},
                       {"message", "request"},
                       {"method", note.method},
                       {"path", note.path},
                       {"route", note.route},
                       {"status", note.status},
                       {"took_ms", in_ms(note.took)},
                       {"peer", note.peer->address},
                       {"principal", note.principal},
                       {"lock", note.lock}};
    write_line(line.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  write_line(fmt::format("lockgate: {} {} {} {} {:.1f}ms from {}{}{}", rfc3339(wall_now()), printable(note.method),
                         printable(note.path), note.status, in_ms(note.took), printable(note.peer->address),
                         note.principal.empty() ? "" : " by " + printable(note.principal),
                         note.lock.empty() ? "" : " lock " + quote(note.lock)));
}

}  // namespace lockgate::server
