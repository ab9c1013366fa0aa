// SPDX-License-Identifier: Apache-2.0
#include "cli/held.hpp"

#include <algorithm>

namespace lockgate {

std::vector<HeldEntry> parse_held(std::string_view text) {
  std::vector<HeldEntry> held;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) {
      continue;
    }
    const auto url = percent_decode(line.substr(0, first));
    const auto name = percent_decode(line.substr(first + 1, second - first - 1));
    const auto handle = percent_decode(line.substr(second + 1));
    if (url && name && handle) {
      held.push_back({{*url, *name}, *handle});
    }
  }
  return held;
}

std::string to_line(const HeldEntry& entry) {
  return percent_encode(entry.lock.url) + ' ' + percent_encode(entry.lock.name) + ' ' + percent_encode(entry.handle);
}

AncestorHold ancestor_hold(const std::vector<HeldEntry>& held, Backend& backend, const LockName& name) {
  AncestorHold found = AncestorHold::none;
  for (const HeldEntry& entry : held) {
    if (!backend.is_same(entry.lock, name)) {
      continue;
    }
    if (backend.is_live(name, entry.handle, Mode::exclusive)) {
      return AncestorHold::exclusive;
    }
    if (backend.is_live(name, entry.handle, Mode::shared)) {
      found = AncestorHold::shared;
    }
  }
  return found;
}

}  // namespace lockgate
