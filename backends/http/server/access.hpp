// SPDX-License-Identifier: Apache-2.0
// Who may do what: bearer tokens, known by their digests alone, and names in client certificates.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/http/server/http_message.hpp"
#include "core/clock.hpp"

namespace lockgate::server {

/// Each may do what those before it may.
enum class Role { read, lock, admin };

std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

/// One line of the tokens file: `SHA256 NAME ROLE PREFIX[,PREFIX...]`, or `cert:NAME-IN-CERTIFICATE NAME ROLE ...`.
/// `*` stands for every name.
struct Grantee {
  std::string digest;       // 32 bytes; empty: by certificate
  std::string certificate;  // the name in it
  std::string name;         // the principal
  Role role = Role::read;
  std::vector<std::string> prefixes;  // of the lock names it may deal with; an empty one is every name
};

/// Who a request comes from, as far as it was proved.
struct Caller {
  std::string principal;  // empty: nobody has to prove anything here
  Role role = Role::admin;
  std::vector<std::string> prefixes = {""};

  [[nodiscard]] bool may_see(std::string_view name) const;
};

class Access {
 public:
  /// Without `tokens_file` everybody who reaches the server may do everything. Throws Error(config) that names the
  /// line.
  explicit Access(std::string tokens_file);

  /// The file again. Throws like the constructor; what was known before then stays in force.
  void reload();

  /// Who it is. Throws Refusal: 401 for a missing and for an unknown token, in the same words and after the same work;
  /// 429 where an address has shown too many wrong ones within a second; missing ones are not counted.
  [[nodiscard]] Caller identify(const HttpRequest& request, BootTime now);

  [[nodiscard]] bool open() const { return file_.empty(); }

 private:
  [[nodiscard]] const Grantee* find_token(std::string_view token) const;
  [[nodiscard]] const Grantee* find_certificate(const std::string& name) const;
  void count_failure(const std::string& address, BootTime now);

  std::string file_;
  std::vector<Grantee> grantees_;
  std::map<std::string, std::vector<BootTime>> failures_;  // by address; of the last second
};

/// Throws Error(config): "FILE:LINE: what".
std::vector<Grantee> parse_tokens(std::string_view text, const std::string& file);

/// Throws Refusal(403) where the caller's role is not enough, or the name is none of its own.
void demand(const Caller& caller, Role role);
void demand(const Caller& caller, Role role, const std::string& name);

/// A browser that shows a page of somebody else must not be made to speak for its user where nothing else has to be
/// proved. Throws Refusal(403) for an Origin that is not this server, and, on this host alone, for a Host that is not
/// this host (a name that was made to point here).
void demand_same_origin(const HttpRequest& request);

}  // namespace lockgate::server
