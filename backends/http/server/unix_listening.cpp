// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/unix_listening.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::server {
namespace {

constexpr mode_t kMode = 0660;
constexpr const char* kLongestSuffix = ".new4194304";  // of the names that are used for a moment

[[noreturn]] void refuse(ExitCode code, const std::string& path, const std::string& why, const std::string& next_step) {
  throw Error(code, fmt::format("cannot listen on {}: {}", quote("unix:" + path), why), next_step);
}

[[noreturn]] void refuse_errno(const std::string& path, int error) {
  const bool forbidden = error == EACCES || error == EPERM;
  refuse(forbidden ? ExitCode::not_allowed : ExitCode::unavailable, path, errno_text(error),
         error == EADDRINUSE ? "another server runs there" : "see that its directory is there and may be written");
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    refuse(ExitCode::usage, path.substr(0, 120), "a path has 1 to 96 bytes here",
           "choose a shorter one, e.g. below /run");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::optional<struct stat> look_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return info;
}

/// Only ECONNREFUSED says for certain that nobody listens any more.
bool is_dead(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && ::connect(probe.get(), generic(address), sizeof address) != 0 && errno == ECONNREFUSED;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/// Takes the file of a dead server away. Between looking and taking, another new server may have put its own there:
/// so it is moved aside, looked at again, and moved back if it is not the one that was found dead.
void clear_away(const std::string& path) {
  const auto found = look_at(path);
  if (!found) {
    return;
  }
  if (!S_ISSOCK(found->st_mode)) {
    refuse(ExitCode::unavailable, path, "there is something that is no socket", "choose another path, or remove it");
  }
  if (!is_dead(path)) {
    refuse(ExitCode::unavailable, path, "address already in use", "another server runs there");
  }
  const std::string aside = fmt::format("{}.old{}", path, ::getpid());
  if (::rename(path.c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) {
      return;
    }
    refuse_errno(path, errno);
  }
  const auto moved = look_at(aside);
  if (moved && !is_same(*found, *moved)) {
    if (::link(aside.c_str(), path.c_str()) == 0) {
      ::unlink(aside.c_str());
    }
    refuse(ExitCode::unavailable, path, "address already in use", "another server has just been started there");
  }
  ::unlink(aside.c_str());
}

/// Under a name of its own at first: at its place a socket that does not listen yet would be taken for a dead one.
UniqueFd bind_and_listen(const std::string& fresh, const std::string& path) {
  const sockaddr_un address = address_of(fresh);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(fresh.c_str());
  if (!fd || ::bind(fd.get(), generic(address), sizeof address) != 0) {
    refuse_errno(path, errno);
  }
  // Nobody can connect before listen(): until then the mode that the umask gave does not matter.
  if (::chmod(fresh.c_str(), kMode) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
    const int error = errno;
    ::unlink(fresh.c_str());
    refuse_errno(path, error);
  }
  return fd;
}

/// Gives the socket its name. The errno, or 0.
int place(const std::string& fresh, const std::string& path) {
  try {
    clear_away(path);
  } catch (...) {
    ::unlink(fresh.c_str());
    throw;
  }
  return ::link(fresh.c_str(), path.c_str()) == 0 ? 0 : errno == EEXIST ? EADDRINUSE : errno;
}

}  // namespace

SocketFile::~SocketFile() {
  const auto now = path_.empty() ? std::nullopt : look_at(path_);
  if (now && now->st_dev == device_ && now->st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

ListeningSocket open_unix_socket(const std::string& path) {
  static_cast<void>(address_of(path.empty() ? path : path + kLongestSuffix));
  ListeningSocket out;
  out.kind = ListeningSocket::Kind::unix_socket;
  // The server may change its directory; the file is still to be removed at the end.
  out.place = std::filesystem::absolute(path).string();
  const std::string fresh = fmt::format("{}.new{}", path, ::getpid());
  out.fd = bind_and_listen(fresh, path);
  const auto made = look_at(fresh);
  const int error = place(fresh, path);
  ::unlink(fresh.c_str());
  if (error != 0 || !made) {
    refuse_errno(path, error);
  }
  out.file.emplace(out.place, made->st_dev, made->st_ino);
  return out;
}

std::string unix_socket_path(int fd) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::string name(address.sun_path,
                   size > offsetof(sockaddr_un, sun_path) ? size - offsetof(sockaddr_un, sun_path) : 0);
  if (name.starts_with('\0')) {
    name[0] = '@';
    return name;
  }
  return name.substr(0, name.find('\0'));
}

}  // namespace lockgate::server
