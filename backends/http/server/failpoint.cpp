// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/failpoint.hpp"

#include <atomic>
#include <charconv>
#include <csignal>
#include <string_view>

namespace lockgate::server {
namespace {

struct Wanted {
  std::string name;
  std::atomic<int> left{0};

  void set(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
      return;
    }
    int count = 0;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), count);
    name = text.substr(0, colon);
    left = count;
  }
};

Wanted& wanted() {
  static Wanted one;
  return one;
}

}  // namespace

void failpoint(const char* name) {
  Wanted& here = wanted();
  if (!here.name.empty() && here.name == name && --here.left == 0) {
    std::raise(SIGKILL);
  }
}

void set_failpoint(const std::string& text) {
  wanted().set(text);
}

}  // namespace lockgate::server
