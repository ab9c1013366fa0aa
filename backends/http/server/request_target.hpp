// SPDX-License-Identifier: Apache-2.0
// The target of a request ("/v1/locks?name=a%20b") taken apart and decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockgate::server {

struct RequestTarget {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  // a parameter without "=" has an empty value
  std::string authority;                                   // of an absolute target, "http://HOST:PORT/path"; else empty
};

/// Nothing where it is no path, or holds bytes that belong percent-encoded, or decodes to what is no UTF-8 or has
/// control characters. A `+` is a plus: only forms write spaces so.
std::optional<RequestTarget> parse_request_target(std::string_view target);

/// What may stand in a Host field: a name or address, perhaps with a port.
bool is_host(std::string_view text);

}  // namespace lockgate::server
