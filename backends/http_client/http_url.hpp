// SPDX-License-Identifier: Apache-2.0
// The address of an HTTP service, taken apart, checked and spelled in one way.
#pragma once

#include <string>
#include <string_view>

namespace lockgate {

/// http://HOST[:PORT][/PREFIX], https://..., or unix:PATH.
struct HttpUrl {
  enum class Scheme { http, https, unix_socket };
  Scheme scheme = Scheme::http;
  std::string host;    // lower case; an IPv6 address without its brackets
  unsigned port = 0;   // never 0, but for unix_socket
  std::string prefix;  // of the path: empty, or begins with / and does not end with it
  std::string socket;  // the path of a UNIX socket

  /// Throws Error(usage) that says what is wrong. A password in the text is refused and not repeated.
  static HttpUrl parse(std::string_view text);

  /// In its one spelling: default ports left out, no trailing slash.
  [[nodiscard]] std::string text() const;
  /// What libcurl is to ask for; behind it comes the path of a call.
  [[nodiscard]] std::string base() const;
  /// This host and no other, whatever a resolver says: a literal loopback address, or `localhost`.
  [[nodiscard]] bool is_loopback() const;
  /// What is sent there cannot be read on the way.
  [[nodiscard]] bool is_private() const { return scheme != Scheme::http || is_loopback(); }
};

}  // namespace lockgate
