// SPDX-License-Identifier: Apache-2.0
#include "backends/file/note.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>

#include "core/error.hpp"

namespace lockgate::file {
namespace {

constexpr std::string_view kFirstLine = "lockgate-note 1\n";

template <typename Number>
bool to_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Cuts the next line off `text`; empty where there is no whole one.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

/// One `key=value` line into the note. False where the value is not what the key takes. Unknown keys are passed over:
/// a later version may write more.
bool apply(Note& note, std::string_view key, const std::string& value) {
  std::int64_t count = 0;
  if (key == "name") {
    note.name = value;
  } else if (key == "path") {
    note.path = value;
  } else if (key == "mode") {
    note.mode = value == "shared" ? Mode::shared : Mode::exclusive;
  } else if (key == "pid") {
    return to_number(value, note.pid);
  } else if (key == "pid_namespace") {
    return to_number(value, note.pid_namespace);
  } else if (key == "uid") {
    return to_number(value, note.uid);
  } else if (key == "host") {
    note.host = value;
  } else if (key == "since" && to_number(value, count)) {
    note.since = WallTime(std::chrono::microseconds(count));
  } else if (key == "since_boot" && to_number(value, count)) {
    note.since_boot = BootTime(Duration(count));
  } else if (key == "command") {
    note.published.command = value;
  } else if (key == "reason") {
    note.published.reason = value;
  } else if (key == "value") {
    note.published.value = value;
  }
  return true;
}

}  // namespace

std::uint64_t this_pid_namespace() {
  // A process that waits writes two notes, the second in the moment in which it has the lock: asked once for both.
  static const std::uint64_t id = [] {
    struct stat st {};
    return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
  }();
  return id;
}

Note note_about_this_process() {
  Note note;
  note.pid = getpid();
  note.pid_namespace = this_pid_namespace();
  note.uid = geteuid();
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) {
    note.host = host.data();
  }
  note.since = wall_now();
  note.since_boot = BootClock::now();
  return note;
}

std::string to_text(const Note& note) {
  std::string text(kFirstLine);
  const auto out = std::back_inserter(text);
  fmt::format_to(
      out, "id={:010x}\nname={}\nmode={}\npid={}\npid_namespace={}\nuid={}\nhost={}\nsince={}\nsince_boot={}\n",
      note.id, percent_encode(note.name), to_string(note.mode), note.pid, note.pid_namespace, note.uid,
      percent_encode(note.host), note.since.time_since_epoch().count(), note.since_boot.time_since_epoch().count());
  if (!note.path.empty()) {
    fmt::format_to(out, "path={}\n", percent_encode(note.path));
  }
  if (!note.published.command.empty()) {
    fmt::format_to(out, "command={}\n", percent_encode(note.published.command));
  }
  if (!note.published.reason.empty()) {
    fmt::format_to(out, "reason={}\n", percent_encode(note.published.reason));
  }
  if (note.published.value) {
    fmt::format_to(out, "value={}\n", percent_encode(*note.published.value));
  }
  // The reader may come while this is being written: it believes a note only with an end that fits its beginning.
  fmt::format_to(out, "end={:010x}\n", note.id);
  return text;
}

std::optional<Note> parse_note(std::string_view text) {
  if (!text.starts_with(kFirstLine)) {
    return std::nullopt;
  }
  text.remove_prefix(kFirstLine.size());
  Note note;
  std::string first_id;
  while (const auto line = take_line(text)) {
    const std::size_t equals = line->find('=');
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view key = line->substr(0, equals);
    const auto value = percent_decode(line->substr(equals + 1));
    if (!value) {
      return std::nullopt;
    }
    if (key == "id") {
      first_id = *value;
    } else if (key == "end") {
      const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), note.id, 16);
      const bool whole = error == std::errc{} && end == value->data() + value->size() && value == first_id;
      return whole ? std::optional(std::move(note)) : std::nullopt;
    } else if (!apply(note, key, *value)) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::string token_to_text(std::uint64_t token) {
  return fmt::format("{:020}\n", token);
}

std::optional<std::uint64_t> parse_token(std::string_view text, const std::string& path) {
  if (text.empty()) {
    return std::nullopt;
  }
  std::uint64_t token = 0;
  if (text.size() < kTokenLength || text[kTokenLength - 1] != '\n' ||
      !to_number(text.substr(0, kTokenLength - 1), token)) {
    throw Error(ExitCode::not_understood, fmt::format("{} holds no fencing token", quote(path)),
                "look at the file; where nothing of value is in it, remove it: tokens then go on from the clock");
  }
  return token;
}

}  // namespace lockgate::file
