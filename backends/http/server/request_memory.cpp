// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/request_memory.hpp"

namespace lockgate::server {

void RequestMemory::remember(const std::string& request_id, const std::string& handle) {
  if (!request_id.empty()) {
    handles_[request_id] = handle;
  }
}

void RequestMemory::keep_until(const std::string& request_id, StoreTime when) {
  if (request_id.empty() || !handles_.contains(request_id)) {
    return;
  }
  leaving_.emplace_back(when, request_id);
  if (leaving_.size() > kMost) {
    handles_.erase(leaving_.front().second);
    leaving_.pop_front();
  }
}

const std::string* RequestMemory::find(const std::string& request_id) const {
  const auto found = handles_.find(request_id);
  return request_id.empty() || found == handles_.end() ? nullptr : &found->second;
}

void RequestMemory::forget(const std::string& request_id) {
  handles_.erase(request_id);
}

void RequestMemory::prune(StoreTime now) {
  while (!leaving_.empty() && leaving_.front().first <= now) {
    handles_.erase(leaving_.front().second);
    leaving_.pop_front();
  }
}

}  // namespace lockgate::server
