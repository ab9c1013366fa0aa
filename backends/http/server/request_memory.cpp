// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/request_memory.hpp"

namespace lockgate::server {

void RequestMemory::remember(const std::string& key, const std::string& outcome) {
  if (!key.empty()) {
    outcomes_[key] = outcome;
  }
}

void RequestMemory::keep_until(const std::string& key, StoreTime when) {
  if (key.empty() || !outcomes_.contains(key)) {
    return;
  }
  leaving_.emplace_back(when, key);
  if (leaving_.size() > kMost) {
    outcomes_.erase(leaving_.front().second);
    leaving_.pop_front();
  }
}

const std::string* RequestMemory::find(const std::string& key) const {
  const auto found = outcomes_.find(key);
  return key.empty() || found == outcomes_.end() ? nullptr : &found->second;
}

void RequestMemory::forget(const std::string& key) {
  outcomes_.erase(key);
}

void RequestMemory::prune(StoreTime now) {
  while (!leaving_.empty() && leaving_.front().first <= now) {
    outcomes_.erase(leaving_.front().second);
    leaving_.pop_front();
  }
}

}  // namespace lockgate::server
