// SPDX-License-Identifier: Apache-2.0
// Takes connections from one listening socket.
#pragma once

#include <functional>

#include "backends/http/server/asio.hpp"
#include "backends/http/server/connection.hpp"
#include "backends/http/server/listening.hpp"

namespace lockgate::server {

/// Lives until the loop has ended.
class Acceptor {
 public:
  using Take = std::function<void(UniqueFd, ListeningSocket::Kind)>;

  Acceptor(World& world, ListeningSocket socket, Take take);

  void start();
  /// Closes the socket; the file of a UNIX socket goes too.
  void stop();

  [[nodiscard]] ListeningSocket::Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  using Executor = asio::io_context::executor_type;

  void wait();
  void accept_some();
  void accept_one(int fd);
  /// Out of descriptors or memory: they come back when others go, and asking on would burn the processor.
  void pause(int error);

  World& world_;
  ListeningSocket::Kind kind_;
  std::string place_;
  std::optional<SocketFile> file_;
  Take take_;
  asio::posix::basic_stream_descriptor<Executor> listener_;
  asio::basic_waitable_timer<BootClock, BootWait, Executor> pause_;
};

}  // namespace lockgate::server
