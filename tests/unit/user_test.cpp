// SPDX-License-Identifier: Apache-2.0
#include "core/user.hpp"

#include <doctest/doctest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

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

namespace {

/// A getent of our own, found first for as long as this lives.
class FakeGetent {
 public:
  explicit FakeGetent(const std::string& script) {
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    std::ofstream(folder_ + "/getent") << "#!/bin/sh\n" << script << "\n";
    ::chmod((folder_ + "/getent").c_str(), 0755);
    ::setenv("PATH", (folder_ + ":" + path_).c_str(), 1);
  }
  ~FakeGetent() {
    ::setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }
  FakeGetent(const FakeGetent&) = delete;
  FakeGetent& operator=(const FakeGetent&) = delete;

 private:
  std::string path_ = std::getenv("PATH");
  std::string folder_ = "/tmp/lockgate-test.XXXXXX";
};

}  // namespace

TEST_CASE("who is not in /etc/passwd is asked for with getent") {
  const FakeGetent getent("echo \"$1-$2:x:$2:1::/home/far:/bin/sh\"");
  const auto user = find_user(987654321);
  REQUIRE(user);
  CHECK(user->name == "passwd-987654321");
  CHECK(user->home == "/home/far");
}

TEST_CASE("a getent that never answers is not waited for, and is ended") {
  const FakeGetent getent("echo half:x:; exec sleep 1000");
  CHECK_FALSE(find_user(987654321));
  CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
}

TEST_CASE("a number that is nobody's is nobody") {
  CHECK_FALSE(find_user(987654321));
}
