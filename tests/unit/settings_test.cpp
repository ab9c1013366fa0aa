// SPDX-License-Identifier: Apache-2.0
// Who wins: flag, variable, configuration, default; and in which directory a lock then lies.
#include "cli/settings.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tests/unit/settings_play.hpp"

using namespace lockgate;
using namespace lockgate::settled;
using namespace std::chrono_literals;

TEST_CASE("with nothing said, locks are files in the user's state directory and everything has its default") {
  const User user;
  const Settings settings = user.settings();
  CHECK(settings.kind.value == BackendKind::file);
  CHECK(settings.kind.origin == "default");
  CHECK(settings.backend.value == "file");
  CHECK(settings.dir.value == "/home/me/.local/state/lockgate");
  CHECK(settings.dir.origin == "default");
  CHECK_FALSE(settings.allow_insecure_dir.value);
  CHECK_FALSE(settings.timeout.value.limit.has_value());
  CHECK(settings.ttl.value == 15s);
  CHECK(settings.kill_after.value == 4s);
  CHECK(settings.conflict_exit_code.value == 75);
  CHECK(settings.color.value == "auto");
  CHECK(settings.on_lost.value == "terminate");
  CHECK(settings.on_lost.origin == "default");
  CHECK_FALSE(settings.config_file.has_value());
  CHECK(settings.passed_over.empty());
}

TEST_CASE("XDG_STATE_HOME moves the default directory, where it is absolute") {
  User user;
  user.variables["XDG_STATE_HOME"] = "/state/";
  CHECK(user.dir() == "/state/lockgate by default");
  user.variables["XDG_STATE_HOME"] = "state";
  CHECK(user.dir() == "/home/me/.local/state/lockgate by default");
}

TEST_CASE("root's locks are the system's, and need no home") {
  User user;
  user.become_root();
  CHECK(user.dir() == "/var/lock/lockgate by default");
  user.variables.erase("HOME");
  CHECK(user.dir() == "/var/lock/lockgate by default");
}

TEST_CASE("without a home the directory must be said") {
  User user;
  user.variables.erase("HOME");
  CHECK(user.complaint() == "78 no HOME to keep the locks in | give --dir DIR or set LOCKGATE_DIR");
  CHECK(user.dir(dir_flag("/x")) == "/x by --dir");
  user.variables["LOCKGATE_DIR"] = "/y";
  CHECK(user.dir() == "/y by LOCKGATE_DIR");
}

TEST_CASE("a flag beats a variable, a variable beats the configuration, which beats the default") {
  User user;
  user.configure("defaults: {timeout: 1m, ttl: 20s}");
  CHECK(user.settings().timeout.value.limit == 1min);
  CHECK(user.shorten(user.settings().timeout.origin) == "CONFIG:1:21");
  user.variables["LOCKGATE_TIMEOUT"] = "2m";
  CHECK(user.settings().timeout.value.limit == 2min);
  CHECK(user.settings().timeout.origin == "LOCKGATE_TIMEOUT");
  SettingsInput input;
  input.timeout = lockgate::Timeout{};
  CHECK_FALSE(user.settings(input).timeout.value.limit.has_value());
  CHECK(user.settings(input).timeout.origin == "--timeout");
  user.variables["LOCKGATE_TIMEOUT"] = "";
  CHECK(user.settings().timeout.value.limit == 1min);
}

TEST_CASE("each of the other options has its flag and its place in the configuration") {
  User user;
  user.configure("defaults: {kill_after: 1s, conflict_exit_code: 9, color: never, on_lost: continue}");
  const Settings configured = user.settings();
  CHECK(configured.kill_after.value == 1s);
  CHECK(configured.conflict_exit_code.value == 9);
  CHECK(configured.color.value == "never");
  CHECK(configured.on_lost.value == "continue");
  SettingsInput input;
  input.kill_after = 2s;
  input.conflict_exit_code = 1;
  input.color = "always";
  input.on_lost = "terminate";
  const Settings flagged = user.settings(input);
  CHECK(flagged.kill_after.value == 2s);
  CHECK(flagged.kill_after.origin == "--kill-after");
  CHECK(flagged.conflict_exit_code.value == 1);
  CHECK(flagged.color.value == "always");
  CHECK(flagged.on_lost.value == "terminate");
}

TEST_CASE("a lease length has no meaning for files, and that is told") {
  User user;
  user.configure("defaults: {ttl: 20s}");
  REQUIRE(user.settings().passed_over.size() == 1);
  CHECK(user.shorten(user.settings().passed_over[0]) == "ttl 20s (CONFIG:1:17) has no meaning for files");
  user.variables["LOCKGATE_TTL"] = "30";
  CHECK(user.settings().passed_over.at(0) == "ttl 30s (LOCKGATE_TTL) has no meaning for files");
}

TEST_CASE("a bad variable is told by its name, unless a flag makes it idle") {
  User user;
  constexpr auto kLook = " | a duration looks like 250ms, 10s, 1m30s or 2h, or is a bare number of seconds";
  user.variables["LOCKGATE_TIMEOUT"] = "soon";
  CHECK(user.complaint() == std::string("78 LOCKGATE_TIMEOUT: \"soon\" is neither a duration nor \"none\"") + kLook);
  SettingsInput input;
  input.timeout = lockgate::Timeout{1s};
  CHECK(user.settings(input).timeout.value.limit == 1s);
  user.variables = {{"HOME", "/h"}, {"LOCKGATE_TTL", "1s"}};
  CHECK(user.complaint() == "78 LOCKGATE_TTL: a lease of 1s is too short | a ttl is 2s to 1h");
  input.ttl = 2h;
  CHECK(user.complaint(input) == "64 --ttl: a lease of 2h00m is too long | a ttl is 2s to 1h");
}

TEST_CASE("a relative --dir begins at the current directory, and slashes too many do not count") {
  User user;
  CHECK(user.dir(dir_flag("locks")) == "/home/ci/src/locks by --dir");
  CHECK(user.dir(dir_flag("./a//b/../c/")) == "/home/ci/src/a/b/../c by --dir");
  CHECK(user.dir(dir_flag("/x///")) == "/x by --dir");
  CHECK(user.dir(dir_flag("/")) == "/ by --dir");
  CHECK(user.complaint(dir_flag("")) == "64 --dir: the directory is empty | name a directory");
  CHECK(user.complaint(dir_flag("a\nb")) ==
        "64 --dir: the directory \"a\\nb\" has a control character in it | name another directory");
  user.lose_current_dir();
  CHECK(user.complaint(dir_flag("locks")) ==
        "78 \"locks\" is relative, and the current directory cannot be told | write a path that begins with /");
}

TEST_CASE("--dir alone means files, whatever the environment and the configuration say") {
  User user;
  user.configure("backend: ci\n" + std::string(kProfiles));
  user.variables["LOCKGATE_BACKEND"] = "http://h:1";
  user.variables["LOCKGATE_DIR"] = "/variable";
  CHECK(user.dir(dir_flag("/x")) == "/x by --dir");
  CHECK(user.settings(dir_flag("/x")).kind.origin == "--dir");
}

TEST_CASE("a file URL names its directory, percent-decoded") {
  const User user;
  CHECK(user.dir(backend("file:///var/lock/myapp/")) == "/var/lock/myapp by --backend");
  CHECK(user.dir(backend("file:///a%20b%3Fc@d")) == "/a b?c@d by --backend");
  CHECK(user.dir(backend("file:/short")) == "/short by --backend");
  CHECK(user.dir(backend("file://localhost/x")) == "/x by --backend");
}

TEST_CASE("a file URL that names no directory clearly is refused") {
  const User user;
  constexpr auto kLook = " | a file URL looks like file:///var/lock/myapp";
  CHECK(user.complaint(backend("file://var/lock")) ==
        std::string("64 --backend: \"file://var/lock\" names the host \"var\"") + kLook);
  CHECK(user.complaint(backend("file:locks")) ==
        std::string("64 --backend: \"file:locks\" has no absolute path") + kLook);
  CHECK(user.complaint(backend("file://")) == std::string("64 --backend: \"file://\" has no absolute path") + kLook);
  CHECK(user.complaint(backend("file:///a%2")) ==
        "64 --backend: \"file:///a%2\" has a % without two hexadecimal digits | write %25 for %");
  CHECK(user.complaint(backend("file:///a%0Ab")) ==
        "64 --backend: the directory \"/a\\nb\" has a control character in it | name another directory");
  CHECK(user.complaint(backend("file:///a#b")) ==
        "64 --backend: \"file:///a#b\" has more than a path | write %3F for ? and %23 for #");
}

TEST_CASE("a file URL and another --dir are two places") {
  const User user;
  CHECK(user.complaint(backend_and_dir("file:///x", "/y")) ==
        "64 --backend \"file:///x\" and --dir \"/y\" are two places | give one of them");
  CHECK(user.dir(backend_and_dir("file:///x", "/x/")) == "/x by --dir");
  CHECK(user.dir(backend_and_dir("file", "/y")) == "/y by --dir");
}

TEST_CASE("LOCKGATE_DIR matters where nobody named another place by flag or LOCKGATE_BACKEND") {
  User user;
  user.configure(kProfiles);
  user.variables["LOCKGATE_DIR"] = "locks/";
  CHECK(user.dir() == "/home/ci/src/locks by LOCKGATE_DIR");
  CHECK(user.dir(backend("file")) == "/home/ci/src/locks by LOCKGATE_DIR");
  CHECK(user.dir(backend("plain")) == "/home/ci/src/locks by LOCKGATE_DIR");
  CHECK(user.dir(backend("local")) == "/profile by CONFIG:2:28");
  user.variables["LOCKGATE_BACKEND"] = "file:///outer";
  CHECK(user.dir() == "/outer by LOCKGATE_BACKEND");
  user.variables["LOCKGATE_BACKEND"] = "local";
  CHECK(user.dir() == "/profile by CONFIG:2:28");
}

TEST_CASE("LOCKGATE_DIR beats the directory of the profile that the configuration chooses") {
  User user;
  user.configure("backend: local\n" + std::string(kProfiles));
  CHECK(user.dir() == "/profile by CONFIG:3:28");
  CHECK(user.settings().backend.value == "local");
  user.variables["LOCKGATE_DIR"] = "/variable";
  CHECK(user.dir() == "/variable by LOCKGATE_DIR");
}

TEST_CASE("--dir beats the directory of a profile, and the profile's permission does not go with it") {
  User user;
  user.configure(kProfiles);
  CHECK(user.settings(backend("local")).allow_insecure_dir.value);
  CHECK(user.shorten(user.settings(backend("local")).allow_insecure_dir.origin) == "CONFIG:2:58");
  const SettingsInput elsewhere = backend_and_dir("local", "/y");
  CHECK(user.dir(elsewhere) == "/y by --dir");
  CHECK_FALSE(user.settings(elsewhere).allow_insecure_dir.value);
  SettingsInput allowed = elsewhere;
  allowed.allow_insecure_dir = true;
  CHECK(user.settings(allowed).allow_insecure_dir.value);
}

TEST_CASE("the profiles of the configuration are listed") {
  User user;
  user.configure(kProfiles);
  CHECK(user.settings().profile_names == std::vector<std::string>{"ci", "local", "plain"});
  CHECK(user.settings().config_file == user.variables["LOCKGATE_CONFIG"]);
}

TEST_CASE("an unknown backend is answered with the nearest kind or profile") {
  User user;
  CHECK(user.complaint(backend("fil")) ==
        "64 --backend: unknown backend \"fil\"; did you mean \"file\"? | "
        "known here: file, http, k8s, etcd; there is no configuration, and so no profile");
  user.configure("backend: loacl\n" + std::string(kProfiles));
  CHECK(user.complaint() ==
        "78 CONFIG:1:10: unknown backend \"loacl\"; did you mean \"local\"? | "
        "known here: file, http, k8s, etcd, ci, local, plain");
  user.variables["LOCKGATE_BACKEND"] = "zookeeper";
  CHECK(user.complaint() ==
        "78 LOCKGATE_BACKEND: unknown backend \"zookeeper\" | known here: file, http, k8s, etcd, ci, local, plain");
  CHECK(user.complaint(backend("")) == "64 --backend: the backend is empty | name a kind, a URL or a profile");
  CHECK(user.complaint(backend("htpp://h")) ==
        "64 --backend: unknown kind of URL \"htpp://h\" | "
        "a backend URL begins file:///, http://, https://, unix:, k8s://, k8s-lease:// or etcd://");
}

TEST_CASE("a backend that this build does not have is named with who asked for it") {
  User user;
  user.configure(kProfiles);
  constexpr auto kNext = " | use files (-b file, or --dir DIR) or a lock server (-b http, or --url URL)";
  CHECK(user.complaint(backend("k8s-lease://ci")) ==
        std::string("78 this build has no k8s backend (asked for by --backend: \"k8s-lease://ci\")") + kNext);
  CHECK(user.complaint(backend_and_dir("etcd", "/x")) ==
        std::string("78 this build has no etcd backend (asked for by --backend: \"etcd\")") + kNext);
  user.configure("backends: {kv: {kind: etcd}}");
  CHECK(user.complaint(backend("kv")) ==
        std::string("78 this build has no etcd backend (asked for by --backend: \"kv\", CONFIG:1:23)") + kNext);
}

TEST_CASE("the process's own surroundings are what the system says") {
  ::setenv("LOCKGATE_TEST_VARIABLE", "here", 1);
  const auto surroundings = lockgate::Surroundings::of_this_process();
  CHECK(surroundings.get("LOCKGATE_TEST_VARIABLE") == "here");
  CHECK_FALSE(surroundings.get("LOCKGATE_TEST_NO_SUCH_VARIABLE").has_value());
  CHECK(surroundings.current_dir == std::filesystem::current_path().string());
  CHECK(surroundings.euid == ::geteuid());
}
