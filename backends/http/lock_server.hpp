// SPDX-License-Identifier: Apache-2.0
// The lock server at the other end: which of two languages it speaks, and what its answers mean before anybody has
// looked into them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "backends/http_client/http_client.hpp"
#include "backends/http_client/http_url.hpp"
#include "backends/place.hpp"

namespace lockgate::http {

enum class Dialect {
  unknown,
  ours,
  go,  // of the Go library werf/lockgate
};

/// Thrown by ask() when the server turned out to speak the other language; nothing was done.
struct SpeaksGo {};

/// No answer, or one that asks to come again later. What will not be better later is thrown as an Error instead.
struct Setback {
  Error error;                               // unavailable
  std::optional<Duration> retry_after = {};  // as the server wants it, within bounds
  enum class Sent { no, perhaps, answered } sent = Sent::perhaps;
};
using Asked = std::variant<HttpAnswer, Setback>;

/// Thread-safe, as long as each thread has its own HttpClient.
class LockServer {
 public:
  /// Throws Error(usage) for a URL that cannot be.
  explicit LockServer(HttpPlace place);

  /// A connection of its own. Throws Error as HttpClient::make().
  [[nodiscard]] std::unique_ptr<HttpClient> connect() const;
  [[nodiscard]] std::string url() const { return url_.text(); }
  [[nodiscard]] bool has_token() const { return !place_.token_file.empty(); }
  [[nodiscard]] Dialect dialect() const { return dialect_; }

  /// Asks /v1/. The answer has status 200, or 410 with our error "gone". Where the language is not known yet, an answer
  /// that is not ours leads to the questions that find it out; SpeaksGo then.
  Asked ask(HttpClient& client, const HttpCall& call, const HttpWait& wait);
  /// The same for an answer without an end. The answer has status 200.
  Asked stream(HttpClient& client, const HttpCall& call, const HttpWait& wait,
               const std::function<bool(std::string_view)>& take);
  /// Asks a Go server; the answer has status 200.
  [[nodiscard]] Asked ask_go(HttpClient& client, const HttpCall& call, const HttpWait& wait) const;
  /// Finds the language out, if it is not known, and stays with it. Throws Error, HttpFailure, HttpStopped.
  Dialect find_dialect(HttpClient& client, const HttpWait& wait);

  /// That the answer to `call` cannot be understood, and why.
  [[nodiscard]] Error not_understood(const HttpCall& call, const HttpAnswer& answer, const std::string& why) const;

 private:
  Asked judge(const HttpCall& call, HttpAnswer answer) const;
  [[nodiscard]] Error refusal(const HttpCall& call, const HttpAnswer& answer) const;
  [[nodiscard]] Error not_allowed(const HttpAnswer& answer) const;
  [[nodiscard]] bool is_go(HttpClient& client, const HttpWait& wait) const;

  HttpPlace place_;
  HttpUrl url_;
  std::atomic<Dialect> dialect_{Dialect::unknown};
};

/// The answer, or the setback as an exception.
HttpAnswer answer_or_throw(Asked asked);

/// True if this answer, which ask() let through, says that the hold is not known (any more).
inline bool is_gone(const HttpAnswer& answer) {
  return answer.status == 410;
}

}  // namespace lockgate::http
