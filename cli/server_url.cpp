// SPDX-License-Identifier: Apache-2.0
// The URL of a lock server, as people may write it.
#include <algorithm>
#include <charconv>

#include "cli/choice.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr auto kLook = "a lock server's URL looks like https://locks.example.com, http://127.0.0.1:55589 or unix:/PATH";

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool has_only(std::string_view text, bool (*allowed)(unsigned char)) {
  return std::all_of(text.begin(), text.end(), [allowed](char c) { return allowed(static_cast<unsigned char>(c)); });
}

bool is_alphanumeric(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
bool in_host(unsigned char c) {
  return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
}
bool in_address6(unsigned char c) {
  return is_alphanumeric(c) || c == ':' || c == '.';
}
bool in_path(unsigned char c) {
  return is_alphanumeric(c) || std::string_view("-._~/%!$&'()*+,;=:").find(static_cast<char>(c)) != std::string::npos;
}

std::string flaw_of_authority(std::string_view authority) {
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && (host_end == std::string_view::npos || host_end < 3 ||
                    !has_only(authority.substr(1, host_end - 1), in_address6))) {
    return "has no IPv6 address in its brackets";
  }
  const std::string_view host = authority.substr(0, host_end);
  if (host.empty()) {
    return "has no host";
  }
  if (!bracketed && !has_only(host, in_host)) {
    return "has a host that cannot be";
  }
  const std::string_view rest = authority.substr(std::min(host.size() + (bracketed ? 1 : 0), authority.size()));
  return rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1))) ? "" : "has a port that is not 1 to 65535";
}

}  // namespace

std::string flaw_of_server_url(std::string_view url) {
  if (url.starts_with(kUnix)) {
    const std::string_view path = url.substr(kUnix.size());
    constexpr std::size_t kLongest = 107;  // sun_path
    return path.empty() ? "has no path" : path.size() > kLongest ? "has a path of more than 107 bytes" : "";
  }
  const std::size_t begin = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (begin == 0) {
    return "begins neither http:// nor https:// nor unix:";
  }
  const std::size_t slash = std::min(url.find('/', begin), url.size());
  if (url.find_first_of("?#") != std::string_view::npos) {
    return "has more than a host, a port and a path";
  }
  std::string flaw = flaw_of_authority(url.substr(begin, slash - begin));
  if (!flaw.empty()) {
    return flaw;
  }
  const std::string_view path = url.substr(slash);
  return has_only(path, in_path) && percent_decode(path) ? "" : "has a path that must be percent-encoded";
}

std::string tidy_server_url(std::string_view url, std::string_view current_dir) {
  if (url.starts_with(kUnix)) {
    return std::string(kUnix) + absolute_path(url.substr(kUnix.size()), current_dir);
  }
  while (url.ends_with('/')) {
    url.remove_suffix(1);
  }
  return std::string(url);
}

std::string checked_server_url(const std::string& url, const Said& said, const std::string& current_dir) {
  if (!url.starts_with(kUnix) && has_credentials(url)) {
    said.refuse("a user or password in a URL is refused",
                "put a token in a file that only you can read, and name it with --token-file");
  }
  if (const auto flaw = find_flaw(url)) {
    said.refuse(quote(url) + " has " + flaw->what + " in it", kLook);
  }
  if (const std::string flaw = flaw_of_server_url(url); !flaw.empty()) {
    said.refuse(quote(url) + " " + flaw, kLook);
  }
  return tidy_server_url(url, current_dir);
}

}  // namespace lockgate
