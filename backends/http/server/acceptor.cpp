// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/acceptor.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "core/error.hpp"

namespace lockgate::server {
namespace {

constexpr int kAtOnce = 64;  // connections, before others have their turn
constexpr Duration kPause = std::chrono::milliseconds(200);

/// A client whose host vanished without a word is found out in about a minute, also while it is parked.
void set_tcp_options(int fd) {
  const auto set = [fd](int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// The connection was gone before it was taken, or the network below it had something to report: not our matter.
bool concerns_one_connection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

Acceptor::Acceptor(World& world, ListeningSocket socket, Take take)
    : world_(world),
      kind_(socket.kind),
      place_(std::move(socket.place)),
      take_(std::move(take)),
      listener_(world.loop.get_executor()),
      pause_(world.loop.get_executor()) {
  listener_.assign(socket.fd.get());
  socket.fd.release();
  if (socket.file) {
    file_.emplace(std::move(*socket.file));
  }
}

void Acceptor::start() {
  wait();
}

void Acceptor::stop() {
  boost::system::error_code ignored;
  file_.reset();
  listener_.close(ignored);
  pause_.cancel();
}

void Acceptor::wait() {
  listener_.async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (!error && listener_.is_open()) {
      accept_some();
    }
  });
}

void Acceptor::accept_some() {
  for (int i = 0; i < kAtOnce; ++i) {
    const int fd = ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accept_one(fd);
    } else if (errno == EAGAIN) {
      break;
    } else if (!concerns_one_connection(errno)) {
      return pause(errno);
    }
  }
  wait();
}

void Acceptor::accept_one(int fd) {
  UniqueFd socket(fd);
  if (kind_ == ListeningSocket::Kind::tcp) {
    set_tcp_options(fd);
  }
  try {
    take_(std::move(socket), kind_);
  } catch (const std::exception& error) {
    world_.trouble.tell(Trouble::Topic::accept, fmt::format("a connection was turned away: {}", error.what()));
  }
}

void Acceptor::pause(int error) {
  world_.trouble.tell(Trouble::Topic::accept,
                      fmt::format("cannot accept connections on {} for a moment: {}", place_, errno_text(error)));
  pause_.expires_after(kPause);
  pause_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && listener_.is_open()) {
      accept_some();
    }
  });
}

}  // namespace lockgate::server
