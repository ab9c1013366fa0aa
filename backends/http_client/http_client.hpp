// SPDX-License-Identifier: Apache-2.0
// HTTP for every backend that talks to something, over libcurl, which only the sources of this folder know.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace lockgate {

/// Where and as whom. Files are read again when they change, so that rotated certificates and tokens are taken up.
struct HttpOptions {
  std::string url;              // http://HOST[:PORT][/PREFIX], https://..., or unix:PATH; no trailing slash
  std::string token_file = {};  // bearer token; empty: none
  std::string ca_file = {};     // empty: the system's authorities
  std::string cert_file = {};   // of the client; with key_file
  std::string key_file = {};
  std::string user_agent = {};
};

struct HttpCall {
  std::string method = "GET";
  std::string path;       // behind the URL; percent-encoded, begins with /
  std::string body = {};  // JSON, if not empty
  std::vector<std::pair<std::string, std::string>> headers = {};
  /// What is to be done where a connection that was kept open turns out to be closed as the request is sent: nobody
  /// knows then whether it was carried out.
  enum class Unanswered { send_again, fail } unanswered = Unanswered::send_again;
  std::size_t longest_answer = std::size_t{1} << 20;  // bytes of body that are taken
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::string content_type;
  std::string retry_after;       // the header, unchecked
  std::string location;          // where it would have us go instead; never gone to
  std::optional<WallTime> date;  // the server's clock, from its Date header (whole seconds)
  BootTime sent;                 // before the first byte left
};

/// What ended a call other than an answer.
enum class Interrupted { stop, attend };

/// What a call listens to besides the answer.
struct HttpWait {
  BootTime give_up = BootTime::max();  // then HttpFailure(unavailable): "no answer within 5s"
  int stop = -1;                       // a descriptor that becomes readable: the call ends with HttpStopped
  /// Called, on the thread of the call, when `attend_fd` is readable or `attend_at` has come; false ends the call with
  /// HttpStopped.
  int attend_fd = -1;
  std::function<std::optional<BootTime>()> attend_at = {};
  std::function<bool()> attend = {};
};

/// Thrown by a call that was ended by `stop` or `attend`. The request may have been carried out.
struct HttpStopped {};

/// A failure before there was an answer: name not found, connection refused or reset, TLS, time over.
class HttpFailure : public Error {
 public:
  using Error::Error;
  HttpFailure(const Error& error, bool nothing_sent) : Error(error), not_sent(nothing_sent) {}
  /// True if the request cannot have reached the server: nothing was carried out.
  bool not_sent = false;
};

/// One connection to a server that is kept open between calls. One call at a time; not thread-safe: each thread makes
/// its own. Follows no redirect; verifies certificates (TLS 1.2 and newer); no netrc, no cookies; sends the token over
/// plain http to this host only, and then past any proxy; takes no more of body than the call wants (1 MiB) and 64 KiB
/// of headers, nothing compressed; knows proxies from the environment.
class HttpClient {
 public:
  /// Throws Error (usage, config, not_allowed) for a URL or files that cannot be, and Error(config) for a token that
  /// would be sent to another host unencrypted; does not connect.
  static std::unique_ptr<HttpClient> make(HttpOptions options);
  virtual ~HttpClient() = default;

  /// Blocks until there is an answer, of whatever status. After a 401 or 403 the token file is read again, and if it
  /// holds another token the call is made once more. Throws HttpFailure (its code: 69; 77 for TLS that does not verify;
  /// 78 for certificate files that cannot be used; 65 for what is no HTTP or more than we take) and HttpStopped.
  virtual HttpAnswer call(const HttpCall& call, const HttpWait& wait) = 0;

  /// The same for an answer without an end: `take` gets each piece of the body of a 200 as it comes, and returns false
  /// to end it. Returns when the server ends it. Of another status the body is in the answer.
  virtual HttpAnswer stream(const HttpCall& call, const HttpWait& wait,
                            const std::function<bool(std::string_view piece)>& take) = 0;

  /// "http://locks.example.com:55589", for messages: without credentials.
  [[nodiscard]] virtual std::string url() const = 0;
  /// How far the server's clock was ahead of ours at the last answer, within a second; empty before one.
  [[nodiscard]] virtual std::optional<Duration> clock_offset() const = 0;
  /// A line for each thing that is odd about the URL and the files, for `doctor`: others can read the token, what is
  /// sent can be read on the way, a proxy is in between.
  [[nodiscard]] virtual std::vector<std::string> oddities() const = 0;
};

}  // namespace lockgate
