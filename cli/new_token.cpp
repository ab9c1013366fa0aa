// SPDX-License-Identifier: Apache-2.0
// lockgate serve --new-token. The token goes to standard output and nowhere else; the server is told its digest only.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "cli/log.hpp"
#include "cli/serve.hpp"
#include "cli/session.hpp"
#include "core/error.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

/// 256 random bits. The letters before them let scanners of repositories and logs tell what it is.
std::string make_token() {
  std::array<char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error(ExitCode::internal, "no random bytes for a token: " + errno_text(errno));
  }
  return "lg_" + to_hex({bytes.data(), bytes.size()});
}

std::string line_for(const std::string& token, const Flags& flags) {
  const std::string prefixes =
      flags.name_prefixes.empty() ? "*" : fmt::format("{}", fmt::join(flags.name_prefixes, ","));
  return fmt::format("{} {} {} {}", sha256_hex(token), flags.token_name.value(), flags.token_role.value_or("lock"),
                     prefixes);
}

/// In one write, so that a server which reads the file just now sees no half of a line.
void append_line(const std::string& path, const std::string& line) {
  const auto refuse = [&path](int error) {
    throw Error(exit_code_for_file_errno(error),
                fmt::format("cannot add the token to {}: {}", quote(path), errno_text(error)));
  };
  const UniqueFd file(open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  struct stat st {};
  if (!file || fstat(file.get(), &st) != 0) {
    refuse(errno);
  }
  if (!S_ISREG(st.st_mode)) {
    throw Error(ExitCode::cannot_create, fmt::format("{} is not a regular file", quote(path)));
  }
  char last = '\n';
  const bool ends_whole = st.st_size == 0 || (pread(file.get(), &last, 1, st.st_size - 1) == 1 && last == '\n');
  const std::string text = (ends_whole ? "" : "\n") + line + "\n";
  const ssize_t written = write(file.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || fsync(file.get()) != 0) {
    refuse(written < 0 || written == static_cast<ssize_t>(text.size()) ? errno : ENOSPC);
  }
}

}  // namespace

int run_new_token(const CommandLine& line) {
  const Log log(log_level(line.flags));
  const std::string token = make_token();
  const std::string for_server = line_for(token, line.flags);
  if (line.flags.tokens) {
    append_line(*line.flags.tokens, for_server);
  }
  print(token + "\n");
  if (line.flags.tokens) {
    log.say(fmt::format("added {} to {}; a server that runs reads it again on SIGHUP", *line.flags.token_name,
                        quote(*line.flags.tokens)));
  } else {
    log.error("the line for the server's file of tokens: " + for_server);
  }
  return to_int(ExitCode::done);
}

}  // namespace lockgate
