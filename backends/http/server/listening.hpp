// SPDX-License-Identifier: Apache-2.0
// Sockets that listen: made from what --listen says, or taken over from the service manager.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "backends/http/server/http_message.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::server {

/// The file of a UNIX socket that this process made. Goes with it, unless another has taken its place meanwhile.
class SocketFile {
 public:
  SocketFile(std::string path, dev_t device, ino_t inode) : path_(std::move(path)), device_(device), inode_(inode) {}
  SocketFile(SocketFile&& other) noexcept
      : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}
  SocketFile& operator=(SocketFile&&) = delete;
  ~SocketFile();

 private:
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

struct ListeningSocket {
  enum class Kind { tcp, unix_socket };
  UniqueFd fd;  // non-blocking
  Kind kind = Kind::tcp;
  std::string place;               // "127.0.0.1:55589", "[::1]:55589", "/run/lockgate.sock"
  std::optional<SocketFile> file;  // UNIX socket, made here
};

/// What the service manager handed over, else what `listen` says: ADDR:PORT, [ADDR6]:PORT (also NAME:PORT: all its
/// addresses), unix:PATH. Throws Error as Engine::listen() does.
std::vector<ListeningSocket> open_listening_sockets(const std::string& listen);

/// Who is at the other end of a socket that was accepted.
Peer peer_of(int fd, ListeningSocket::Kind kind);

}  // namespace lockgate::server
