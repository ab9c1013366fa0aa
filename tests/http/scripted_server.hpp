// SPDX-License-Identifier: Apache-2.0
// A server that answers what its script says, byte by byte if that is wanted: for clients that must survive it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"

namespace scripted {

struct Received {
  std::size_t number = 0;  // 0 for the first request, over all connections
  std::size_t connection = 0;
  std::string method = {};
  std::string path = {};                            // with its query
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
};

struct Reply {
  enum class Then {
    keep,    // the connection stays open
    close,   // in good order
    reset,   // by RST
    silent,  // nothing more until the client hangs up
  };
  std::string bytes;  // the whole answer with its head
  Then then = Then::keep;
  std::chrono::milliseconds before_each_byte{0};
};

Reply json(int status, const std::string& body, const std::string& more_headers = "");
Reply text(int status, const std::string& body, const std::string& type, const std::string& more_headers = "");
/// The answer never comes, or not to its end: `bytes`, and then that.
Reply cut(Reply::Then then, const std::string& bytes = "");

class Server {
 public:
  using Script = std::function<Reply(const Received&)>;
  /// Listens on 127.0.0.1, or on a UNIX socket.
  explicit Server(Script script, const std::string& unix_path = "");
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string url() const { return url_; }
  [[nodiscard]] int port() const { return port_; }
  /// All that came up to now.
  [[nodiscard]] std::vector<Received> received();
  /// Those to this path.
  [[nodiscard]] std::vector<Received> received(const std::string& path);
  /// Blocks until so many requests have come; false after ten seconds.
  bool wait_for(std::size_t requests);
  /// Blocks until so many clients have hung up; false after ten seconds.
  bool wait_for_hang_ups(std::size_t clients);

 private:
  void accept_all();
  void serve(std::size_t number, int fd);
  bool read_one(int fd, std::string& buffer, Received& request);
  [[nodiscard]] bool send(int fd, const Reply& reply);
  [[nodiscard]] bool readable(int fd) const;

  Script script_;
  std::string url_;
  int port_ = 0;
  lockgate::UniqueFd listener_;
  lockgate::UniqueFd stop_;  // eventfd
  std::mutex mutex_;         // guards what follows
  std::condition_variable changed_;
  std::vector<Received> received_;
  std::size_t hung_up_ = 0;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace scripted
