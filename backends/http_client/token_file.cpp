// SPDX-License-Identifier: Apache-2.0
#include "backends/http_client/token_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

constexpr std::size_t kMaxToken = 4096;  // bytes of the file
constexpr auto kNextStep = "--token-file names a file that holds nothing but the token";

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ExitCode::config, fmt::format("the token file {} {}", quote(path), why), kNextStep);
}

[[noreturn]] void cannot_read(const std::string& path, int error) {
  throw Error(error == EACCES || error == EPERM ? ExitCode::not_allowed : ExitCode::config,
              fmt::format("the token file {} cannot be read: {}", quote(path), errno_text(error)));
}

std::string read_all(const std::string& path, int fd) {
  std::array<char, kMaxToken + 1> bytes{};
  std::size_t length = 0;
  while (length < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + length, bytes.size() - length);
    if (got < 0 && errno != EINTR) {
      cannot_read(path, errno);
    }
    if (got == 0) {
      break;
    }
    length += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  }
  if (length > kMaxToken) {
    refuse(path, fmt::format("is longer than {} bytes", kMaxToken));
  }
  return {bytes.data(), length};
}

std::string trim(const std::string& text) {
  constexpr auto kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

TokenFile::TokenFile(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) {
    last_ = read();
  }
}

TokenFile::Read TokenFile::read() const {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  Read result;
  if (!fd || fstat(fd.get(), &result.seen) != 0) {
    cannot_read(path_, errno);
  }
  if (!S_ISREG(result.seen.st_mode)) {
    refuse(path_, "is no regular file");
  }
  result.token = trim(read_all(path_, fd.get()));
  if (result.token.empty()) {
    refuse(path_, "is empty");
  }
  // It goes into a header line: a line break in it would begin another header.
  const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::all_of(result.token.begin(), result.token.end(), is_visible)) {
    refuse(path_, "has spaces, control characters or other than ASCII in its token");
  }
  return result;
}

const std::string& TokenFile::current() {
  struct stat now {};
  if (!path_.empty() && ::stat(path_.c_str(), &now) == 0 && !is_same_file(now, last_.seen)) {
    reread();
  }
  return last_.token;
}

bool TokenFile::reread() {
  if (path_.empty()) {
    return false;
  }
  try {
    Read fresh = read();
    std::swap(fresh, last_);
    return fresh.token != last_.token;
  } catch (const Error&) {
    return false;  // the last token may still be good, and a hold depends on it
  }
}

std::optional<std::string> TokenFile::oddity() const {
  return path_.empty() ? std::nullopt : find_open_mode(path_);
}

std::optional<std::string> find_open_mode(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || (found.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
    return std::nullopt;
  }
  return fmt::format("{} holds a secret and has mode {:04o}: make it 0600", quote(path), found.st_mode & 07777);
}

}  // namespace lockgate
