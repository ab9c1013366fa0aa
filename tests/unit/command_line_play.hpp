// SPDX-License-Identifier: Apache-2.0
// What the tests of the command line share: words as somebody types them, and what is said of them.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "core/error.hpp"

namespace lockgate::typed {

using Words = std::vector<std::string>;

inline CommandLine parse(const Words& words) {
  std::vector<const char*> argv = {"lockgate"};
  for (const std::string& word : words) {
    argv.push_back(word.c_str());
  }
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

inline Flags flags_of(const Words& words) {
  return parse(words).flags;
}

/// `exec NAME` with these options before the name.
inline Flags exec_flags(Words words) {
  words.insert(words.begin(), "exec");
  words.insert(words.end(), {"deploy", "make"});
  return flags_of(words);
}

struct Complaint {
  std::string what;
  std::string next_step;
};

inline Complaint complaint_about(const Words& words) {
  try {
    parse(words);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    return {error.what(), error.next_step()};
  }
  return {"accepted", ""};
}

inline std::string refusal_of(const Words& words) {
  return complaint_about(words).what;
}

inline void check_mentions(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
}

}  // namespace lockgate::typed
