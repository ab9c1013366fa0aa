// SPDX-License-Identifier: Apache-2.0
// What holders and waiters write about themselves beside the lock files. Only the fencing token in them is relied on;
// the rest is for people, is believed only while the writer's mark is on the lock file, and may be missing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/lock.hpp"

namespace lockgate::file {

struct Note {
  std::string name;
  std::string path;      // of the lock file where it is one of the user's own (--path), else empty
  std::uint64_t id = 0;  // public id of the hold, or a waiter's own
  Mode mode = Mode::exclusive;
  pid_t pid = 0;
  std::uint64_t pid_namespace = 0;  // in which `pid` has its meaning
  uid_t uid = 0;
  std::string host;
  WallTime since;
  BootTime since_boot;  // a process that started after this is another one which got the same pid
  Published published;
};

/// Who this process is, for a note about it.
Note note_about_this_process();

/// The inode number of this process's pid namespace; 0 where /proc does not tell.
std::uint64_t this_pid_namespace();

std::string to_text(const Note& note);
/// Empty where the text is no whole note: torn, cut, or written by somebody else.
std::optional<Note> parse_note(std::string_view text);

/// The file of the exclusive holder begins with the token: twenty digits and a newline, always in the same place.
constexpr std::size_t kTokenLength = 21;
std::string token_to_text(std::uint64_t token);
/// Throws Error(not_understood) naming `path` where `text` is neither empty nor a token.
std::optional<std::uint64_t> parse_token(std::string_view text, const std::string& path);

}  // namespace lockgate::file
