// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/request_target.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace lockgate::server {
namespace {

std::optional<std::string> decode(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded || find_flaw(*decoded)) {
    return std::nullopt;
  }
  return decoded;
}

bool is_plain(char c) {
  return c > ' ' && c < 0x7F && c != '#';
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// Takes "http://authority" off the front of `target`; what is left begins with / or is empty.
std::string_view take_authority(std::string_view& target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with(scheme)) {
      target.remove_prefix(scheme.size());
      const std::string_view authority = target.substr(0, target.find_first_of("/?"));
      target.remove_prefix(authority.size());
      return authority;
    }
  }
  return {};
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) {
      continue;
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals));
    auto value = decode(pair.substr(std::min(pair.size(), equals + 1)));
    if (!name || !value) {
      return std::nullopt;
    }
    query.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

}  // namespace

std::optional<RequestTarget> parse_request_target(std::string_view target) {
  if (!std::all_of(target.begin(), target.end(), is_plain)) {
    return std::nullopt;
  }
  RequestTarget out;
  const bool absolute = !target.starts_with('/');
  if (absolute) {
    out.authority = take_authority(target);
    if (out.authority.empty() || !is_host(out.authority)) {
      return std::nullopt;
    }
  }
  const std::size_t mark = std::min(target.find('?'), target.size());
  auto path = decode(mark == 0 ? "/" : target.substr(0, mark));
  auto query = parse_query(target.substr(std::min(target.size(), mark + 1)));
  if (!path || !query) {
    return std::nullopt;
  }
  out.path = std::move(*path);
  out.query = std::move(*query);
  return out;
}

bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

}  // namespace lockgate::server
