// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/listening.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "backends/http/server/service_manager.hpp"
#include "backends/http/server/unix_listening.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::server {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct HostAndPort {
  std::string host;  // without brackets
  std::string port;
};

[[noreturn]] void refuse_form(const std::string& listen) {
  throw Error(ExitCode::usage, fmt::format("cannot listen on {}: no such form of address", quote(listen)),
              "write ADDRESS:PORT (127.0.0.1:55589), [ADDRESS6]:PORT ([::1]:55589; [::]:55589 for all) or unix:PATH");
}

HostAndPort split(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    refuse_form(listen);
  }
  HostAndPort out{listen.substr(0, colon), listen.substr(colon + 1)};
  unsigned port = 0;
  const char* end = out.port.data() + out.port.size();
  const auto [stop, error] = std::from_chars(out.port.data(), end, port);
  if (error != std::errc() || stop != end || port > 65535) {
    refuse_form(listen);
  }
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    refuse_form(listen);
  }
  return out;
}

std::vector<Address> resolve(const std::string& listen) {
  const HostAndPort place = split(listen);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &first);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(first, ::freeaddrinfo);
  if (error != 0) {
    throw Error(ExitCode::unavailable, fmt::format("cannot listen on {}: {}", quote(listen), ::gai_strerror(error)),
                "give an address of this host");
  }
  std::vector<Address> addresses;
  for (const addrinfo* entry = first; entry != nullptr; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

Address own_address(int fd) {
  Address address;
  ::getsockname(fd, address.get(), &address.size);
  return address;
}

struct Numeric {
  std::string address;
  std::uint16_t port = 0;
  bool v6 = false;
  bool loopback = false;
};

Numeric numeric_v4(in_addr address, std::uint16_t port) {
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return {text, port, false, ntohl(address.s_addr) >> 24 == 127};
}

/// An IPv4 client of a socket for both is told by its IPv4 address.
Numeric numeric(const Address& address) {
  if (address.storage.ss_family != AF_INET6) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    return numeric_v4(v4.sin_addr, ntohs(v4.sin_port));
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address.storage, sizeof v6);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    in_addr v4{};
    std::memcpy(&v4, v6.sin6_addr.s6_addr + 12, sizeof v4);
    return numeric_v4(v4, ntohs(v6.sin6_port));
  }
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return {text, ntohs(v6.sin6_port), true, IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0};
}

std::string tcp_place(int fd) {
  const Numeric own = numeric(own_address(fd));
  return fmt::format(fmt::runtime(own.v6 ? "[{}]:{}" : "{}:{}"), own.address, own.port);
}

ListeningSocket open_tcp(const std::string& listen, const Address& address) {
  ListeningSocket out;
  out.fd.reset(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  const int no = 0;
  if (out.fd) {
    // A server that was just ended leaves connections in TIME_WAIT, which do not matter to a new one.
    ::setsockopt(out.fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address.storage.ss_family == AF_INET6) {
      ::setsockopt(out.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    }
  }
  if (!out.fd || ::bind(out.fd.get(), address.get(), address.size) != 0 || ::listen(out.fd.get(), SOMAXCONN) != 0) {
    const int error = errno;
    const bool forbidden = error == EACCES || error == EPERM;
    throw Error(forbidden ? ExitCode::not_allowed : ExitCode::unavailable,
                fmt::format("cannot listen on {}: {}", quote(listen), errno_text(error)),
                error == EADDRINUSE ? "another server runs there; end it or choose another port"
                : forbidden         ? "ports below 1024 need a privilege; choose another one"
                                    : "give an address of this host");
  }
  out.place = tcp_place(out.fd.get());
  return out;
}

ListeningSocket take_over(UniqueFd fd) {
  ListeningSocket out;
  out.fd = std::move(fd);
  if (own_address(out.fd.get()).storage.ss_family == AF_UNIX) {
    out.kind = ListeningSocket::Kind::unix_socket;
    out.place = unix_socket_path(out.fd.get());
  } else {
    out.place = tcp_place(out.fd.get());
  }
  return out;
}

}  // namespace

std::vector<ListeningSocket> open_listening_sockets(const std::string& listen) {
  std::vector<ListeningSocket> out;
  for (UniqueFd& fd : take_handed_sockets()) {
    out.push_back(take_over(std::move(fd)));
  }
  if (!out.empty()) {
    return out;
  }
  if (listen.starts_with("unix:")) {
    out.push_back(open_unix_socket(listen.substr(5)));
    return out;
  }
  for (const Address& address : resolve(listen)) {
    out.push_back(open_tcp(listen, address));
  }
  return out;
}

Peer peer_of(int fd, ListeningSocket::Kind kind) {
  Peer peer;
  if (kind == ListeningSocket::Kind::unix_socket) {
    peer.address = "unix";
    peer.loopback = true;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.uid = credentials.uid;
    }
    return peer;
  }
  Address address;
  if (::getpeername(fd, address.get(), &address.size) == 0) {
    Numeric other = numeric(address);
    peer.address = std::move(other.address);
    peer.loopback = other.loopback;
  }
  return peer;
}

}  // namespace lockgate::server
