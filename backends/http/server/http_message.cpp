// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/http_message.hpp"

#include <algorithm>

namespace lockgate::server {

std::optional<std::string_view> HttpRequest::parameter(std::string_view name) const {
  const auto found = std::find_if(query.begin(), query.end(), [&](const auto& pair) { return pair.first == name; });
  if (found == query.end()) {
    return std::nullopt;
  }
  return found->second;
}

}  // namespace lockgate::server
