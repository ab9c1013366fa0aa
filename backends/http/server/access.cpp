// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/access.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include "backends/http/server/refusal.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::server {
namespace {

constexpr std::array<std::string_view, 3> kRoles = {"read", "lock", "admin"};
constexpr std::size_t kFailuresPerSecond = 5;
constexpr std::size_t kAddressesRemembered = 10'000;
constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::string_view kCertificate = "cert:";
constexpr auto kLook = "a line is: SHA256-OF-THE-TOKEN NAME read|lock|admin PREFIX[,PREFIX...] or * for every name";

std::string digest_of(std::string_view token) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::optional<std::string> bytes_of_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    if (error != std::errc{} || end != hex.data() + i + 2) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(value));
  }
  return hex.size() == std::size_t{2} * SHA256_DIGEST_LENGTH ? std::optional(bytes) : std::nullopt;
}

Grantee parse_line(const std::string& line, const std::string& place) {
  const auto refuse = [&place](const std::string& what) { throw Error(ExitCode::config, place + ": " + what, kLook); };
  std::istringstream words(line);
  std::string key, role, prefixes, more;
  Grantee grantee;
  words >> key >> grantee.name >> role >> prefixes;
  if (prefixes.empty() || words >> more) {
    refuse("not four words");
  }
  if (key.starts_with(kCertificate)) {
    grantee.certificate = key.substr(kCertificate.size());
  } else {
    // Not shown: somebody may have put the token itself there.
    const auto digest = bytes_of_hex(key);
    if (!digest) {
      refuse("the first word is no SHA-256 in 64 hexadecimal digits, and does not begin with cert:");
    }
    grantee.digest = *digest;
  }
  const auto parsed = parse_role(role);
  if (!parsed) {
    refuse(quote(role) + " is none of read, lock, admin");
  }
  grantee.role = *parsed;
  std::istringstream list(prefixes);
  for (std::string prefix; std::getline(list, prefix, ',');) {
    if (prefix.empty()) {
      refuse("an empty prefix; write * for every name");
    }
    grantee.prefixes.push_back(prefix == "*" ? "" : prefix);
  }
  return grantee;
}

std::string read_tokens_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad()) {
    throw Error(ExitCode::config, fmt::format("cannot read the tokens file {}: {}", quote(file), errno_text(errno)),
                "name a file that this user can read with --tokens");
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFile) {
    throw Error(ExitCode::config, fmt::format("the tokens file {} is larger than 1 MiB", quote(file)));
  }
  return text;
}

/// The host of "host:port" or "[v6]:port".
std::string_view host_of(std::string_view text) {
  if (text.starts_with('[')) {
    return text.substr(0, std::min(text.find(']'), text.size() - 1) + 1);
  }
  return text.substr(0, text.find(':'));
}

bool is_this_host(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

std::string_view to_string(Role role) {
  return kRoles.at(static_cast<std::size_t>(role));
}

std::optional<Role> parse_role(std::string_view text) {
  const auto* const found = std::find(kRoles.begin(), kRoles.end(), text);
  return found == kRoles.end() ? std::nullopt : std::optional(static_cast<Role>(found - kRoles.begin()));
}

bool Caller::may_see(std::string_view name) const {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [name](const std::string& prefix) { return name.starts_with(prefix); });
}

std::vector<Grantee> parse_tokens(std::string_view text, const std::string& file) {
  std::vector<Grantee> grantees;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string::npos && line[first] != '#') {
      grantees.push_back(parse_line(line, fmt::format("{}:{}", file, number)));
    }
  }
  if (grantees.empty()) {
    throw Error(ExitCode::config, fmt::format("{}: there is no token in it", file),
                "make one: lockgate serve --new-token --name NAME --role lock");
  }
  return grantees;
}

Access::Access(std::string tokens_file) : file_(std::move(tokens_file)) {
  reload();
}

void Access::reload() {
  if (!file_.empty()) {
    grantees_ = parse_tokens(read_tokens_file(file_), file_);
  }
}

/// Looks at every entry, whichever it finds, and compares whole digests: the time tells nothing.
const Grantee* Access::find_token(std::string_view token) const {
  const std::string digest = digest_of(token);
  const Grantee* found = nullptr;
  for (const Grantee& grantee : grantees_) {
    if (grantee.digest.size() == digest.size() &&
        CRYPTO_memcmp(grantee.digest.data(), digest.data(), digest.size()) == 0) {
      found = &grantee;
    }
  }
  return found;
}

const Grantee* Access::find_certificate(const std::string& name) const {
  const auto found = std::find_if(grantees_.begin(), grantees_.end(), [&name](const Grantee& grantee) {
    return !name.empty() && grantee.certificate == name;
  });
  return found == grantees_.end() ? nullptr : &*found;
}

void Access::count_failure(const std::string& address, BootTime now) {
  if (failures_.size() > kAddressesRemembered) {
    failures_.clear();
  }
  auto& times = failures_[address];
  std::erase_if(times, [now](BootTime then) { return now - then > std::chrono::seconds(1); });
  if (times.size() >= kFailuresPerSecond) {
    throw Refusal{.status = 429,
                  .code = "too_many",
                  .message = "too many wrong tokens from this address",
                  .hint = "wait a second",
                  .headers = {{"Retry-After", "1"}}};
  }
  times.push_back(now);
}

Caller Access::identify(const HttpRequest& request, BootTime now) {
  if (open()) {
    demand_same_origin(request);
    return {};
  }
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view header = request.authorization;
  const std::string_view token = header.starts_with(kBearer) ? header.substr(kBearer.size()) : std::string_view();
  const Grantee* found = find_token(token);
  if (found == nullptr) {
    found = find_certificate(request.peer.certificate);
  }
  if (found == nullptr) {
    // Who shows none guesses nothing, and behind a proxy all clients have one address.
    if (!token.empty()) {
      count_failure(request.peer.address, now);
    }
    throw Refusal{.status = 401,
                  .code = "unauthorized",
                  .message = "a token that this server knows is needed",
                  .hint = "give it with --token-file FILE or LOCKGATE_TOKEN_FILE",
                  .headers = {{"WWW-Authenticate", "Bearer"}}};
  }
  return {found->name, found->role, found->prefixes};
}

void demand(const Caller& caller, Role role) {
  if (caller.role < role) {
    throw Refusal{.status = 403,
                  .code = "forbidden",
                  .message = fmt::format("the role {} is needed; {} has the role {}", to_string(role),
                                         quote(caller.principal), to_string(caller.role)),
                  .hint = "ask whoever runs the lock server for another token"};
  }
}

void demand(const Caller& caller, Role role, const std::string& name) {
  demand(caller, role);
  if (!caller.may_see(name)) {
    throw Refusal{.status = 403,
                  .code = "forbidden",
                  .message = fmt::format("{} may not deal with a lock of this name", quote(caller.principal)),
                  .hint = "ask whoever runs the lock server for a token with another prefix"};
  }
}

void demand_same_origin(const HttpRequest& request) {
  const auto scheme = request.origin.find("://");
  if (!request.origin.empty() &&
      (scheme == std::string::npos || request.origin.compare(scheme + 3, std::string::npos, request.host) != 0)) {
    throw Refusal{.status = 403,
                  .code = "forbidden",
                  .message = "this request comes from a page of another site",
                  .hint = "a server that browsers of others can reach wants tokens: lockgate serve --tokens"};
  }
  const std::string_view host = host_of(request.host);
  if (request.peer.loopback && request.peer.address != "unix" && !is_this_host(host)) {
    throw Refusal{
        .status = 403,
        .code = "forbidden",
        .message = fmt::format("this server is open for its own host only, which is not called {}", quote(host)),
        .hint = "call it by 127.0.0.1 or localhost, or have it demand tokens: lockgate serve --tokens"};
  }
}

}  // namespace lockgate::server
