// SPDX-License-Identifier: Apache-2.0
#include "cli/did_you_mean.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace lockgate {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// Edits of one letter, or swaps of two neighbours, from `a` to `b`.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& choices) {
  constexpr std::size_t kLongestWord = 100;
  const std::string mistyped = lower(word.substr(0, kLongestWord));
  std::string nearest;
  std::size_t least = kLongestWord;
  for (const std::string& choice : choices) {
    const std::size_t edits = distance(mistyped, lower(choice));
    // A third of the letters: "tll" is near to "ttl", "dir" is not near to "url".
    if (edits < least && edits * 3 <= std::max(mistyped.size(), choice.size())) {
      least = edits;
      nearest = choice;
    }
  }
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", quote(nearest));
}

}  // namespace lockgate
