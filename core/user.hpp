// SPDX-License-Identifier: Apache-2.0
// Who a user id is. Not by getpwuid(3): the executable is linked statically, and that would load, from whatever system
// it runs on, modules that were made for the C library there.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace lockgate {

struct User {
  std::string name;
  std::string home;
};

/// From /etc/passwd, else from getent(1), which knows what else this system gets its users from (LDAP, say). Empty
/// where nobody knows the user, or nobody who can be asked answers within two seconds. Any thread.
std::optional<User> find_user(uid_t uid);

/// From one line of passwd(5); empty where it is none.
std::optional<User> parse_passwd_line(const std::string& line);

}  // namespace lockgate
