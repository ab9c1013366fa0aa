// SPDX-License-Identifier: Apache-2.0
#include "backends/http_client/http_url.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

constexpr auto kForms = "it is http://HOST[:PORT][/PREFIX], https://HOST[:PORT][/PREFIX] or unix:PATH";
constexpr std::size_t kMaxUrl = 2048;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ExitCode::usage, "the server's URL " + why, kForms);
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/// The one spelling of an IPv6 address; empty if it is none.
std::string canonical_ipv6(const std::string& text) {
  in6_addr address{};
  std::array<char, INET6_ADDRSTRLEN> spelled{};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1 &&
                 inet_ntop(AF_INET6, &address, spelled.data(), spelled.size()) != nullptr
             ? spelled.data()
             : "";
}

unsigned default_port(HttpUrl::Scheme scheme) {
  return scheme == HttpUrl::Scheme::https ? 443 : 80;
}

unsigned parse_port(std::string_view text, HttpUrl::Scheme scheme) {
  if (text.empty()) {
    return default_port(scheme);
  }
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    refuse(fmt::format("has {} for a port", quote(text)));
  }
  return port;
}

/// HOST[:PORT] or [IPV6][:PORT].
void parse_authority(std::string_view authority, HttpUrl& url) {
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end != std::string_view::npos) {
      url.host = canonical_ipv6(std::string(authority.substr(1, end - 1)));
    }
    if (url.host.empty()) {
      refuse("has no IPv6 address between its brackets");
    }
    port = authority.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) {
      refuse("has something behind its brackets that is no port");
    }
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = lower(authority.substr(0, colon));
    port = authority.substr(colon);
    if (url.host.empty()) {
      refuse("names no host");
    }
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_character)) {
      refuse(fmt::format("names the host {}, which no host can be called", quote(url.host)));
    }
  }
  url.port = parse_port(port.substr(port.empty() ? 0 : 1), url.scheme);
}

HttpUrl parse_unix(std::string_view path) {
  constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un
  if (path.starts_with("//")) {
    path.remove_prefix(2);  // unix:///run/x.sock is meant as unix:/run/x.sock
  }
  if (!path.starts_with('/') || path.size() > kLongestSocketPath) {
    refuse(fmt::format("needs an absolute path of at most {} bytes behind unix:", kLongestSocketPath));
  }
  HttpUrl url;
  url.scheme = HttpUrl::Scheme::unix_socket;
  url.host = "localhost";
  url.socket = path;
  return url;
}

}  // namespace

HttpUrl HttpUrl::parse(std::string_view text) {
  if (text.size() > kMaxUrl) {
    refuse(fmt::format("is longer than {} bytes", kMaxUrl));
  }
  if (find_flaw(text) || text.find(' ') != std::string_view::npos) {
    refuse("has spaces, control characters or invalid UTF-8 in it");
  }
  const std::size_t colon = text.find(':');
  const std::string scheme = lower(text.substr(0, colon));
  std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (scheme == "unix") {
    return parse_unix(rest);
  }
  if ((scheme != "http" && scheme != "https") || !rest.starts_with("//")) {
    // Not repeated: what stands there may be a password.
    refuse("is of no form that is known here");
  }
  rest.remove_prefix(2);
  HttpUrl url;
  url.scheme = scheme == "https" ? Scheme::https : Scheme::http;
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (rest.find('@') != std::string_view::npos) {
    throw Error(ExitCode::usage, "user and password do not belong in the server's URL",
                "put the token into a file of mode 0600, and name that with --token-file");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    refuse("has a query or a fragment");
  }
  parse_authority(authority, url);
  url.prefix = rest.substr(end);
  while (url.prefix.ends_with('/')) {
    url.prefix.pop_back();
  }
  return url;
}

std::string HttpUrl::text() const {
  return scheme == Scheme::unix_socket ? "unix:" + socket : base();
}

std::string HttpUrl::base() const {
  if (scheme == Scheme::unix_socket) {
    return "http://localhost";
  }
  return fmt::format("{}://{}{}{}", scheme == Scheme::https ? "https" : "http",
                     host.find(':') == std::string::npos ? host : "[" + host + "]",
                     port == default_port(scheme) ? "" : fmt::format(":{}", port), prefix);
}

bool HttpUrl::is_loopback() const {
  in_addr v4{};
  in6_addr v6{};
  return scheme == Scheme::unix_socket || host == "localhost" ||
         (inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127) ||
         (inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

}  // namespace lockgate
