// SPDX-License-Identifier: Apache-2.0
// One request and one reply, as the routes see them: no socket, no parser.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockgate::server {

/// Who is at the other end.
struct Peer {
  std::string address;    // "127.0.0.1", "::1", or "unix"
  bool loopback = false;  // this host: loopback address or UNIX socket
  bool tls = false;
  std::optional<uid_t> uid;  // UNIX socket: of the process that connected
  std::string certificate;   // name in the verified client certificate: first DNS/URI/e-mail SAN, else the common name
};

struct HttpRequest {
  std::string method;                                      // "POST"
  std::string path;                                        // percent-decoded, without the query; begins with /
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  std::string body;
  std::string authorization;  // the header's value; empty: none. A secret: never logged
  std::string origin;         // Origin; empty: none
  std::string host;           // Host
  std::string accept;
  std::string user_agent;
  std::string last_event_id;
  Peer peer;

  /// The first value of a query parameter.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  /// Called, on the loop's thread, if not all of it could be written: its client cannot have understood it. May be
  /// empty.
  std::function<void()> if_unwritten = {};
};

}  // namespace lockgate::server
