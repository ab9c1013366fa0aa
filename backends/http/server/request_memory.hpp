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

/// Request ids and the handles they were about. One thread.
class RequestMemory {
 public:
  /// Kept until forget() or keep_until(). An empty id is not remembered.
  void remember(const std::string& request_id, const std::string& handle);
  /// Kept until then, and no longer; the oldest go first where there are too many.
  void keep_until(const std::string& request_id, StoreTime when);
  /// The handle; null: not known, or an empty id.
  [[nodiscard]] const std::string* find(const std::string& request_id) const;
  void forget(const std::string& request_id);
  /// Drops those whose time has come.
  void prune(StoreTime now);

 private:
  static constexpr std::size_t kMost = 1'000'000;
  std::unordered_map<std::string, std::string> handles_;
  std::deque<std::pair<StoreTime, std::string>> leaving_;  // about in the order of their times: they differ by a TTL
};

}  // namespace lockgate::server
