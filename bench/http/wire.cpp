// SPDX-License-Identifier: Apache-2.0
#include "wire.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <utility>

namespace bench {
namespace {

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
    const int error = errno;
    if (fd >= 0) {
      close(fd);
    }
    fail("connect: " + std::string(std::strerror(error)));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// What stands behind `name` in the head of a reply; the name in small letters, with its colon.
std::string_view field(std::string_view head, std::string_view name) {
  const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(),
                                 [](char have, char want) { return lower(have) == want; });
  if (found == head.end()) {
    return {};
  }
  auto value = head.substr(static_cast<std::size_t>(found - head.begin()) + name.size());
  value = value.substr(0, value.find('\r'));
  return value.substr(std::min(value.size(), value.find_first_not_of(' ')));
}

}  // namespace

SSL_CTX* tls_of_clients() {
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    return made;
  }();
  return context;
}

std::string post(std::string_view path, std::string_view body) {
  std::string text = "POST ";
  text.append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ");
  return text.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
}

std::string get(std::string_view path) {
  return std::string("GET ").append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

Wire::Wire(const Address& address) : fd_(connect_to(address.port)) {
  if (address.tls != nullptr) {
    tls_ = SSL_new(address.tls);
    SSL_set_fd(tls_, fd_);
    if (SSL_connect(tls_) != 1) {
      fail("no TLS connection");
    }
  }
  fcntl(fd_, F_SETFL, O_NONBLOCK);
}

Wire::Wire(Wire&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::exchange(other.tls_, nullptr)),
      reply_(std::move(other.reply_)),
      head_(other.head_),
      whole_(other.whole_),
      status_(other.status_) {
}

Wire::~Wire() {
  if (tls_ != nullptr) {
    SSL_free(tls_);
  }
  if (fd_ >= 0) {
    // Thousands of these would wait for a minute in the kernel, and slow down what comes after them.
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd_);
  }
}

void Wire::send(std::string_view request) {
  reply_.clear();
  head_ = whole_ = 0;
  const long sent = tls_ != nullptr ? SSL_write(tls_, request.data(), static_cast<int>(request.size()))
                                    : ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<long>(request.size())) {
    fail("a request could not be sent");
  }
}

/// 0: nothing there.
long Wire::read_some(std::span<char> room) {
  if (tls_ != nullptr) {
    const int got = SSL_read(tls_, room.data(), static_cast<int>(room.size()));
    if (got <= 0 && SSL_get_error(tls_, got) != SSL_ERROR_WANT_READ) {
      fail("the server hung up");
    }
    return std::max(got, 0);
  }
  const long got = recv(fd_, room.data(), room.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    fail("the server hung up");
  }
  return std::max(got, 0L);
}

bool Wire::is_whole() {
  if (head_ == 0) {
    const auto end = reply_.find("\r\n\r\n");
    if (end == std::string::npos) {
      return false;
    }
    head_ = end + 4;
    const auto head = std::string_view(reply_).substr(0, head_);
    const auto length = field(head, "\r\ncontent-length:");
    std::size_t size = 0;
    if (std::from_chars(length.data(), length.data() + length.size(), size).ec != std::errc()) {
      fail("a reply without a length");
    }
    whole_ = head_ + size;
    status_ = head.size() < 12 ? 0 : std::atoi(reply_.c_str() + 9);
  }
  return reply_.size() >= whole_;
}

bool Wire::receive() {
  std::array<char, 16384> room;
  for (;;) {
    const long got = read_some(room);
    reply_.append(room.data(), static_cast<std::size_t>(got));
    if (got == 0 || (!reply_.empty() && is_whole())) {
      return got != 0;
    }
  }
}

void Wire::wait() {
  while (!receive()) {
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, 20'000) != 1) {
      fail("no reply in 20 s");
    }
  }
}

std::string ask(const Address& address, std::string_view request) {
  Wire wire(address);
  wire.send(request);
  wire.wait();
  return std::string(wire.body());
}

std::string_view member(std::string_view body, std::string_view key) {
  const std::string quoted = '"' + std::string(key) + "\":\"";
  const auto found = body.find(quoted);
  if (found == std::string_view::npos) {
    return {};
  }
  const auto value = body.substr(found + quoted.size());
  return value.substr(0, value.find('"'));
}

Poller::Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)), events_(1024) {
  if (fd_ < 0) {
    fail("epoll");
  }
}

Poller::~Poller() {
  close(fd_);
}

void Poller::add(const Wire& wire, std::size_t index) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, wire.fd(), &event) != 0) {
    fail("epoll_ctl");
  }
}

std::span<const std::size_t> Poller::wait(Nanoseconds most) {
  const timespec time{most / kSecond, most % kSecond};
  const int count =
      epoll_pwait2(fd_, events_.data(), static_cast<int>(events_.size()), most < 0 ? nullptr : &time, nullptr);
  if (count < 0 && errno != EINTR) {
    fail("epoll_wait");
  }
  ready_.clear();
  for (int i = 0; i < count; ++i) {
    ready_.push_back(static_cast<std::size_t>(events_[static_cast<std::size_t>(i)].data.u64));
  }
  return ready_;
}

}  // namespace bench
