// SPDX-License-Identifier: Apache-2.0
// Bytes to and from one client, plain or through TLS. Never blocks, never waits: says what is to be waited for.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lockgate::server {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPointer = std::unique_ptr<SSL, FreeSsl>;

/// What came of one attempt to move bytes.
struct Moved {
  enum class Outcome { done, wait_readable, wait_writable, closed } outcome = Outcome::closed;
  std::size_t bytes = 0;  // done: at least one
};

/// Does not own the descriptor.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  /// Speaks TLS from now on. Throws std::bad_alloc.
  void begin_tls(SSL_CTX& context);

  Moved handshake();
  Moved receive(std::span<char> room);
  Moved send(std::string_view data);
  /// No more will be sent: close_notify, then FIN.
  void end_sending();
  /// Whether the connection is gone, both ways; bytes that wait to be read do not matter.
  [[nodiscard]] bool is_dead() const;
  /// After a handshake that failed.
  [[nodiscard]] const std::string& why_it_failed() const { return why_it_failed_; }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 private:
  Moved ssl_outcome(int result);

  int fd_;
  SslPointer ssl_;
  std::string why_it_failed_;
};

}  // namespace lockgate::server
