// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 as the load generator speaks it: the same to every server.
#pragma once

#include <sys/epoll.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../actors.hpp"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace bench {

/// Where a server listens, on 127.0.0.1.
struct Address {
  int port = 0;
  SSL_CTX* tls = nullptr;  // null: plain
};

/// Of clients; it looks at no certificate. Lives as long as the process.
SSL_CTX* tls_of_clients();

std::string post(std::string_view path, std::string_view body);
std::string get(std::string_view path);

/// One connection that is kept, with one request on its way at most.
class Wire {
 public:
  explicit Wire(const Address& address);
  Wire(Wire&& other) noexcept;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  void send(std::string_view request);
  /// Reads what is there, without blocking. True: the whole reply is.
  bool receive();
  /// Blocks until the whole reply is there.
  void wait();
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view body() const { return std::string_view(reply_).substr(head_); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  long read_some(std::span<char> room);
  bool is_whole();

  int fd_ = -1;
  SSL* tls_ = nullptr;
  std::string reply_;
  std::size_t head_ = 0, whole_ = 0;  // 0: not known yet
  int status_ = 0;
};

/// One request on a connection of its own; the body of the answer.
std::string ask(const Address& address, std::string_view request);

/// The text of a member of a JSON object, for members whose texts have no escapes; empty where it is not there.
std::string_view member(std::string_view body, std::string_view key);

/// Which of many connections have something to read.
class Poller {
 public:
  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();
  void add(const Wire& wire, std::size_t index);
  /// The indices of those that have; for ever where `most` is below 0.
  std::span<const std::size_t> wait(Nanoseconds most);

 private:
  int fd_;
  std::vector<epoll_event> events_;
  std::vector<std::size_t> ready_;
};

}  // namespace bench
