// SPDX-License-Identifier: Apache-2.0
// Which requests were carried out, so that the same one, sent again after a lost reply, is not carried out twice.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/lease_rules.hpp"

namespace lockgate::server {

/// What was asked for, and what came of it, both as texts. One thread.
class RequestMemory {
 public:
  /// Kept until forget() or keep_until(). An empty key is not remembered.
  void remember(const std::string& key, const std::string& outcome);
  /// Kept until then, and no longer; the oldest go first where there are too many.
  void keep_until(const std::string& key, StoreTime when);
  /// The outcome; null: not known, or an empty key.
  [[nodiscard]] const std::string* find(const std::string& key) const;
  void forget(const std::string& key);
  /// Drops those whose time has come.
  void prune(StoreTime now);

 private:
  static constexpr std::size_t kMost = 1'000'000;
  std::unordered_map<std::string, std::string> outcomes_;  // by key
  std::deque<std::pair<StoreTime, std::string>> leaving_;  // about in the order of their times: they differ by a TTL
};

}  // namespace lockgate::server
