// SPDX-License-Identifier: Apache-2.0
#include "core/user.hpp"

#include <doctest/doctest.h>
#include <pwd.h>
#include <unistd.h>

using lockgate::find_user;
using lockgate::parse_passwd_line;

TEST_CASE("a line of passwd(5) tells name and home, also where they are odd") {
  const auto alice = parse_passwd_line("alice:x:1000:1000:Alice, Room 4:/home/alice:/bin/sh");
  REQUIRE(alice);
  CHECK(alice->name == "alice");
  CHECK(alice->home == "/home/alice");
  const auto service = parse_passwd_line("svc-1$:*:4294967294:0:::\n");
  REQUIRE(service);
  CHECK(service->name == "svc-1$");
  CHECK(service->home.empty());
}

TEST_CASE("what is no line of passwd(5) is not taken for one") {
  for (const char* line :
       {"", "\n", "# comment", "alice", "alice:x:1000:1000:Alice:/home/alice", ":x:0:0:::", "alice:x::0:::",
        "alice:x:-1:0:::", "alice:x:1a:0:::", "alice:x:99999999999:0:::", "a:x:1:1::/:/bin/sh:more"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_passwd_line(line));
  }
}

TEST_CASE("every user of this machine is known as the C library knows them") {
  ::setpwent();
  while (const passwd* entry = ::getpwent()) {
    const auto user = find_user(entry->pw_uid);
    const passwd* first = ::getpwuid(entry->pw_uid);
    REQUIRE(user);
    CHECK(user->name == first->pw_name);
    CHECK(user->home == first->pw_dir);
  }
  ::endpwent();
}

TEST_CASE("a number that is nobody's is nobody") {
  CHECK_FALSE(find_user(987654321));
}
