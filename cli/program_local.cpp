// SPDX-License-Identifier: Apache-2.0
// For `lockgate`: finds lockgate-net, and becomes it.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <vector>

#include "cli/program.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

/// The folder of this executable; empty where /proc does not say it.
std::string own_folder() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0 || static_cast<std::size_t>(length) == path.size()) {
    return "";
  }
  const std::string text(path.data(), static_cast<std::size_t>(length));
  return text.substr(0, text.rfind('/'));
}

/// Beside it in a build, below libexec where it was installed; the last is where it was to be installed.
std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (const std::string folder = own_folder(); !folder.empty()) {
    paths.push_back(folder + "/lockgate-net");
    paths.push_back(folder.substr(0, folder.rfind('/')) + "/libexec/lockgate/lockgate-net");
  }
  const std::string installed = LOCKGATE_LIBEXECDIR "/lockgate/lockgate-net";
  if (paths.empty() || paths.back() != installed) {
    paths.push_back(installed);
  }
  return paths;
}

/// In a folder where everyone may make files (/tmp, say), the neighbour of our executable may be anybody's.
bool is_trusted(const std::string& path) {
  struct stat own {};
  struct stat other {};
  if (stat(path.c_str(), &other) != 0) {
    return false;
  }
  const bool same_owner = stat("/proc/self/exe", &own) == 0 && own.st_uid == other.st_uid;
  return other.st_uid == 0 || other.st_uid == geteuid() || same_owner;
}

[[noreturn]] void become_net(const Start& start, const std::string& need) {
  const std::vector<std::string> paths = candidates();
  for (const std::string& path : paths) {
    if (access(path.c_str(), F_OK) != 0) {
      continue;
    }
    if (!is_trusted(path)) {
      throw Error(ExitCode::not_allowed,
                  fmt::format("{}, which {} needs, belongs to neither root nor you nor the owner of lockgate",
                              quote(path), need),
                  "who put it there? take it away, or install lockgate in a folder of its own");
    }
    setenv("LOCKGATE_NET_VERSION", LOCKGATE_VERSION, 1);
    // What lockgate blocked would stay blocked over exec: lockgate-net would take that for the user's wish, and so
    // would the command.
    start.signals.restore();
    execv(path.c_str(), start.argv);
    const int error = errno;
    throw Error(
        ExitCode::unavailable, fmt::format("cannot run {}, which {} needs: {}", quote(path), need, errno_text(error)),
        error == ENOENT ? "it is there, but the loader that it asks for is not: install the package for this system"
                        : "look at its permissions, or install lockgate again");
  }
  std::string places;
  for (const std::string& path : paths) {
    places += (places.empty() ? "" : ", ") + quote(path);
  }
  throw Error(ExitCode::unavailable, fmt::format("{} needs lockgate-net, which is not installed", need),
              "looked for " + places);
}

}  // namespace

void check_caller() {
}

void hand_over(const Start& start, const std::string& kind) {
  become_net(start, fmt::format("the {} backend", kind));
}

int run_serve(const CommandLine& /*line*/, const Start& start) {
  become_net(start, "lockgate serve");
}

}  // namespace lockgate
