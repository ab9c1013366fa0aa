// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/channel.hpp"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>
#include <new>

#include "backends/http/server/tls_context.hpp"
#include "core/error.hpp"

namespace lockgate::server {
namespace {

using Outcome = Moved::Outcome;

/// OpenSSL counts in int.
int clamp(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

Moved moved(ssize_t result, Outcome wait) {
  if (result > 0) {
    return {Outcome::done, static_cast<std::size_t>(result)};
  }
  return {result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? wait : Outcome::closed, 0};
}

}  // namespace

void Channel::begin_tls(SSL_CTX& context) {
  ssl_.reset(SSL_new(&context));
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd_) != 1) {
    throw std::bad_alloc();
  }
  SSL_set_accept_state(ssl_.get());
}

Moved Channel::ssl_outcome(int result) {
  if (result > 0) {
    return {Outcome::done, static_cast<std::size_t>(result)};
  }
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Outcome::wait_readable, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Outcome::wait_writable, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {};
    default:
      // After such an error SSL_shutdown must not be called.
      SSL_set_quiet_shutdown(ssl_.get(), 1);
      why_it_failed_ = take_ssl_error();
      if (why_it_failed_.empty()) {
        why_it_failed_ = system_error == 0 ? "the client hung up" : errno_text(system_error);
      }
      return {};
  }
}

Moved Channel::handshake() {
  ERR_clear_error();
  errno = 0;
  return ssl_outcome(SSL_accept(ssl_.get()));
}

Moved Channel::receive(std::span<char> room) {
  if (ssl_) {
    ERR_clear_error();
    return ssl_outcome(SSL_read(ssl_.get(), room.data(), clamp(room.size())));
  }
  ssize_t result = 0;
  do {
    result = ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return moved(result, Outcome::wait_readable);
}

Moved Channel::send(std::string_view data) {
  if (ssl_) {
    ERR_clear_error();
    return ssl_outcome(SSL_write(ssl_.get(), data.data(), clamp(data.size())));
  }
  ssize_t result = 0;
  do {
    result = ::send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (result < 0 && errno == EINTR);
  return moved(result, Outcome::wait_writable);
}

void Channel::end_sending() {
  if (ssl_ && SSL_is_init_finished(ssl_.get()) != 0) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(fd_, SHUT_WR);
}

bool Channel::is_dead() const {
  pollfd poll{fd_, 0, 0};
  return ::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace lockgate::server
