// SPDX-License-Identifier: Apache-2.0
// What the test tools need of sockets and clocks.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tools {

using Milliseconds = std::int64_t;

inline std::int64_t microseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * std::int64_t{1'000'000} + time.tv_nsec / 1000;
}

inline Milliseconds now() {
  return microseconds() / 1000;
}

/// One piece at once: a lock has no use for packets that wait to be full.
inline void without_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline int connected(int family, const sockaddr* address, socklen_t size) {
  const int result = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (result >= 0 && connect(result, address, size) != 0) {
    const int why = errno;
    close(result);
    errno = why;
    return -1;
  }
  return result;
}

/// A connection to HOST:PORT or unix:PATH, or -1 with errno.
inline int connect_to(const std::string& target) {
  if (target.starts_with("unix:")) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, target.c_str() + 5, sizeof address.sun_path - 1);
    return connected(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  const auto colon = target.rfind(':');
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (colon == std::string::npos ||
      getaddrinfo(target.substr(0, colon).c_str(), target.substr(colon + 1).c_str(), &hints, &found) != 0) {
    errno = EINVAL;
    return -1;
  }
  const int result = connected(found->ai_family, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (result >= 0) {
    without_delay(result);
  }
  return result;
}

/// A listener on 127.0.0.1 at `port`, or at one that is free where that is 0; -1 with errno.
inline int listen_at(std::uint16_t port) {
  const int result = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(result, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool good =
      bind(result, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(result, 512) == 0;
  return good ? result : -1;
}

inline std::uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

[[noreturn]] inline void give_up(const std::string& what) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what.c_str(), std::strerror(errno));
  std::exit(1);
}

inline void do_not_block(int socket) {
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
}

}  // namespace tools
