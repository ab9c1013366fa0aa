// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/service_manager.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.hpp"

namespace lockgate::server {
namespace {

constexpr int kFirstHandedFd = 3;
constexpr long long kMostHandedFds = 1024;

/// A number of decimal digits in the environment.
std::optional<long long> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) {
    return std::nullopt;
  }
  long long value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < 0) {
    return std::nullopt;
  }
  return value;
}

int socket_option(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

void check_handed_socket(int fd) {
  if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1) {
    throw Error(ExitCode::config, fmt::format("descriptor {} from the service manager: no listening stream socket", fd),
                "use ListenStream= with Accept=no in the .socket unit");
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

}  // namespace

std::vector<UniqueFd> take_handed_sockets() {
  const auto pid = number_in("LISTEN_PID");
  const auto count = number_in("LISTEN_FDS");
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    ::unsetenv(variable);
  }
  std::vector<UniqueFd> sockets;
  if (!pid || *pid != ::getpid() || !count) {
    return sockets;
  }
  if (*count > kMostHandedFds) {
    throw Error(ExitCode::config, fmt::format("LISTEN_FDS={}: that many sockets cannot be", *count));
  }
  for (int i = 0; i < static_cast<int>(*count); ++i) {
    check_handed_socket(kFirstHandedFd + i);
    sockets.emplace_back(kFirstHandedFd + i);
  }
  return sockets;
}

bool notify_service_manager(std::string_view text) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = path == nullptr ? 0 : std::strlen(path);
  if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    return false;
  }
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract name: as long as it is, without an end mark
  }
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  return socket && ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL,
                            reinterpret_cast<const sockaddr*>(&address), length) == static_cast<ssize_t>(text.size());
}

std::optional<Duration> watchdog_interval() {
  const auto microseconds = number_in("WATCHDOG_USEC");
  if (!microseconds || *microseconds == 0 || *microseconds > 1'000'000LL * 60 * 60 * 24 * 365) {
    return std::nullopt;
  }
  // Set without a number for this process, it is meant for whoever reads it.
  if (std::getenv("WATCHDOG_PID") != nullptr && number_in("WATCHDOG_PID") != ::getpid()) {
    return std::nullopt;
  }
  return std::chrono::microseconds(*microseconds);
}

}  // namespace lockgate::server
