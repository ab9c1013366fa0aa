// SPDX-License-Identifier: Apache-2.0
#include "tests/http/scripted_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cctype>
#include <cstring>
#include <stdexcept>

namespace scripted {
namespace {

using lockgate::UniqueFd;

constexpr std::chrono::seconds kPatience{10};

UniqueFd listen_tcp(int& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd.get(), 64) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("cannot listen on 127.0.0.1");
  }
  port = ntohs(address.sin_port);
  return fd;
}

UniqueFd listen_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd.get(), 64) != 0) {
    throw std::runtime_error("cannot listen on " + path);
  }
  return fd;
}

std::string lower(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

void parse_head(const std::string& head, Received& request) {
  std::size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  request.method = first.substr(0, first.find(' '));
  request.path = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
  while (at != std::string::npos && at + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, end == std::string::npos ? end : end - at - 2);
    if (const std::size_t colon = line.find(": "); colon != std::string::npos) {
      request.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
    }
    at = end;
  }
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Reply text(int status, const std::string& body, const std::string& type, const std::string& more_headers) {
  return {.bytes = fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status, type,
                               body.size(), more_headers, body)};
}

Reply json(int status, const std::string& body, const std::string& more_headers) {
  return text(status, body, "application/json", more_headers);
}

Reply cut(Reply::Then then, const std::string& bytes) {
  return {.bytes = bytes, .then = then};
}

Server::Server(Script script, const std::string& unix_path)
    : script_(std::move(script)),
      listener_(unix_path.empty() ? listen_tcp(port_) : listen_unix(unix_path)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  url_ = unix_path.empty() ? fmt::format("http://127.0.0.1:{}", port_) : "unix:" + unix_path;
  acceptor_ = std::jthread([this] { accept_all(); });
}

Server::~Server() {
  ::eventfd_write(stop_.get(), 1);
  acceptor_.join();
  connections_.clear();
}

std::vector<Received> Server::received() {
  const std::lock_guard lock(mutex_);
  return received_;
}

std::vector<Received> Server::received(const std::string& path) {
  std::vector<Received> found;
  for (const Received& request : received()) {
    if (request.path == path) {
      found.push_back(request);
    }
  }
  return found;
}

bool Server::wait_for(std::size_t requests) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return received_.size() >= requests; });
}

bool Server::wait_for_hang_ups(std::size_t clients) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return hung_up_ >= clients; });
}

/// False: the server is to end.
bool Server::readable(int fd) const {
  std::array<pollfd, 2> fds{{{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), -1);
  return (fds[1].revents & POLLIN) == 0;
}

void Server::accept_all() {
  for (std::size_t number = 0; readable(listener_.get()); ++number) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    connections_.emplace_back([this, number, fd] { serve(number, fd); });
  }
}

void Server::serve(std::size_t number, int fd) {
  const UniqueFd owner(fd);
  std::string buffer;
  Received request{.connection = number};
  while (read_one(fd, buffer, request)) {
    {
      const std::lock_guard lock(mutex_);
      request.number = received_.size();
      received_.push_back(request);
    }
    changed_.notify_all();
    if (!send(fd, script_(request))) {
      return;
    }
    request = Received{.connection = number};
  }
  const std::lock_guard lock(mutex_);
  ++hung_up_;
  changed_.notify_all();
}

bool Server::read_one(int fd, std::string& buffer, Received& request) {
  std::size_t head = std::string::npos;
  std::size_t length = 0;
  while (true) {
    const bool begun = head != std::string::npos;
    head = begun ? head : buffer.find("\r\n\r\n");
    if (!begun && head != std::string::npos) {
      parse_head(buffer.substr(0, head + 2), request);
      const auto found = request.headers.find("content-length");
      length = found == request.headers.end() ? 0 : std::stoul(found->second);
    }
    if (head != std::string::npos && buffer.size() >= head + 4 + length) {
      request.body = buffer.substr(head + 4, length);
      buffer.erase(0, head + 4 + length);
      return true;
    }
    std::array<char, 4096> piece{};
    const ssize_t got = readable(fd) ? ::recv(fd, piece.data(), piece.size(), 0) : 0;
    if (got <= 0) {
      return false;
    }
    buffer.append(piece.data(), static_cast<std::size_t>(got));
  }
}

/// False: this connection is over.
bool Server::send(int fd, const Reply& reply) {
  if (reply.before_each_byte.count() == 0) {
    if (!write_all(fd, reply.bytes)) {
      return false;
    }
  } else {
    for (const char byte : reply.bytes) {
      pollfd stop{stop_.get(), POLLIN, 0};
      if (::poll(&stop, 1, static_cast<int>(reply.before_each_byte.count())) != 0 || !write_all(fd, {&byte, 1})) {
        return false;
      }
    }
  }
  if (reply.then == Reply::Then::reset) {
    const linger abort{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  }
  if (reply.then == Reply::Then::silent && readable(fd)) {
    const std::lock_guard lock(mutex_);
    ++hung_up_;
    changed_.notify_all();
  }
  return reply.then == Reply::Then::keep;
}

}  // namespace scripted
