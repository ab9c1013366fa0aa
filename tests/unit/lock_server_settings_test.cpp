// SPDX-License-Identifier: Apache-2.0
// Which lock server is meant, by whom, and with which of its files.
#include <doctest/doctest.h>

#include <chrono>

#include "tests/unit/settings_play.hpp"

using namespace lockgate;
using namespace lockgate::settled;
using namespace std::chrono_literals;

TEST_CASE("a lock server is chosen by its kind, a URL, a flag or a variable") {
  User user;
  CHECK(user.url(backend("http")) == "http://127.0.0.1:55589 by default");
  CHECK(user.url(backend("https://locks.example.com/team/")) == "https://locks.example.com/team by --backend");
  CHECK(user.url(url_flag("http://h:1")) == "http://h:1 by --url");
  CHECK(user.settings(url_flag("http://h:1")).kind.origin == "--url");
  user.variables["LOCKGATE_URL"] = "http://v:1/";
  CHECK(user.url() == "http://v:1 by LOCKGATE_URL");
  CHECK(user.url(backend("http")) == "http://v:1 by LOCKGATE_URL");
  CHECK(user.url(backend("http://h:2")) == "http://h:2 by --backend");
  user.variables["LOCKGATE_BACKEND"] = "file";
  CHECK(user.dir() == "/home/me/.local/state/lockgate by default");
  user.variables["LOCKGATE_BACKEND"] = "https://h";
  CHECK(user.url() == "https://h by LOCKGATE_BACKEND");
}

TEST_CASE("a socket is named by its path, from the current directory on") {
  const User user;
  CHECK(user.url(url_flag("unix:run/lockgate.sock")) == "unix:/home/ci/src/run/lockgate.sock by --url");
  CHECK(user.url(backend("unix:/run//a@b.sock")) == "unix:/run/a@b.sock by --backend");
  CHECK(user.complaint(url_flag("unix:"))
            .starts_with("64 --url: \"unix:\" has no path | a lock server's URL looks like"));
  CHECK(user.complaint(url_flag("unix:/" + std::string(107, 'x'))).find("more than 107 bytes") != std::string::npos);
}

TEST_CASE("the lock server of a profile comes with its files, and --url with none of them") {
  User user;
  user.configure(kProfiles);
  const Settings ci = user.settings(backend("ci"));
  CHECK(user.url(backend("ci")) == "https://locks.example.com by CONFIG:4:25");
  CHECK(user.token(backend("ci")) == "/ci/token by CONFIG:4:65");
  CHECK(ci.server.ca_file.value == "/ci/ca.pem");
  CHECK(ci.server.cert_file.value.empty());
  CHECK(ci.server.cert_file.origin == "default");
  SettingsInput elsewhere = backend("ci");
  elsewhere.url = "https://other";
  CHECK(user.url(elsewhere) == "https://other by --url");
  CHECK(user.token(elsewhere) == " by default");
  CHECK(user.shorten(user.settings(elsewhere).passed_over.at(0)) ==
        "token_file (CONFIG:4:65) is for the profile's own URL, not for that of --url");
  elsewhere.token_file = "t";
  CHECK(user.token(elsewhere) == "/home/ci/src/t by --token-file");
}

TEST_CASE("LOCKGATE_URL beats the profile that the configuration chooses, whose token stays at home") {
  User user;
  user.configure("backend: ci\n" + std::string(kProfiles));
  CHECK(user.url() == "https://locks.example.com by CONFIG:5:25");
  CHECK(user.token() == "/ci/token by CONFIG:5:65");
  user.variables["LOCKGATE_URL"] = "http://v:1";
  CHECK(user.url() == "http://v:1 by LOCKGATE_URL");
  CHECK(user.token() == " by default");
}

TEST_CASE(
    "the token of a server that was asked for beats LOCKGATE_TOKEN_FILE, which beats the configuration's choice") {
  User user;
  user.configure("backend: ci\n" + std::string(kProfiles));
  user.variables["LOCKGATE_TOKEN_FILE"] = "token";
  CHECK(user.token() == "/home/ci/src/token by LOCKGATE_TOKEN_FILE");
  CHECK(user.token(backend("ci")) == "/ci/token by CONFIG:5:65");
  CHECK(user.token(url_flag("http://h")) == "/home/ci/src/token by LOCKGATE_TOKEN_FILE");
  SettingsInput input = backend("ci");
  input.token_file = "/flag";
  CHECK(user.token(input) == "/flag by --token-file");
}

TEST_CASE("two places at once are refused") {
  User user;
  SettingsInput both = url_flag("http://h");
  both.dir = "/x";
  CHECK(user.complaint(both) == "64 --dir and --url are two places | give one of them");
  SettingsInput other = backend("http://a");
  other.url = "http://b";
  CHECK(user.complaint(other) == "64 --backend \"http://a\" and --url \"http://b\" are two places | give one of them");
  other.url = "http://a/";
  CHECK(user.url(other) == "http://a by --url");
  CHECK(user.complaint(backend_and_dir("http", "/x")) ==
        "64 --dir is about lock files, and --backend says \"http\" | leave it away, or choose with -b file");
  user.variables = {{"HOME", "/h"}, {"LOCKGATE_DIR", "/x"}, {"LOCKGATE_URL", "http://h"}};
  CHECK(user.complaint() ==
        "78 LOCKGATE_DIR and LOCKGATE_URL are two places | "
        "say which is meant: LOCKGATE_BACKEND=file or LOCKGATE_BACKEND=http, or take one of them away");
  CHECK(user.dir(backend("file")) == "/x by LOCKGATE_DIR");
  CHECK(user.url(backend("http")) == "http://h by LOCKGATE_URL");
}

TEST_CASE("LOCKGATE_DIR means files where only the configuration says otherwise") {
  User user;
  user.configure("backend: ci\n" + std::string(kProfiles));
  user.variables["LOCKGATE_DIR"] = "/x";
  CHECK(user.dir() == "/x by LOCKGATE_DIR");
  CHECK(user.settings().kind.origin == "LOCKGATE_DIR");
}

TEST_CASE("what is said about a lock server is refused where the locks are files") {
  const User user;
  SettingsInput input = backend("file");
  input.url = "http://h";
  CHECK(user.complaint(input) ==
        "64 --url is about a lock server, and --backend says \"file\" | leave it away, or choose with -b http");
  SettingsInput token;
  token.token_file = "t";
  CHECK(user.complaint(token) ==
        "64 --token-file is about a lock server, and the locks are files here, by default | "
        "leave it away, or choose with --url URL or -b http");
}

TEST_CASE("a client's certificate comes with its key") {
  const User user;
  SettingsInput input = url_flag("https://h");
  input.cert_file = "c.pem";
  CHECK(
      user.complaint(input).starts_with("64 --cert: a client's certificate and its key belong together, and the key"));
  input.key_file = "k.pem";
  CHECK(user.settings(input).server.key_file.value == "/home/ci/src/k.pem");
  input.cert_file = "";
  CHECK(user.complaint(input) == "64 --cert: the path is empty | name a file");
}

TEST_CASE("a lease length has its meaning for lock servers") {
  User user;
  user.variables["LOCKGATE_TTL"] = "30";
  CHECK(user.settings(backend("http")).ttl.value == 30s);
  CHECK(user.settings(backend("http")).passed_over.empty());
}

TEST_CASE("a URL that names no lock server clearly is refused") {
  const User user;
  const auto flaw = [&user](const std::string& url) {
    const std::string text = user.complaint(url_flag(url));
    CHECK(text.starts_with("64 --url: "));
    return text.substr(10, text.find(" | ") - 10);
  };
  CHECK(flaw("locks.example.com") == "\"locks.example.com\" begins neither http:// nor https:// nor unix:");
  CHECK(flaw("") == "\"\" begins neither http:// nor https:// nor unix:");
  CHECK(flaw("http://") == "\"http://\" has no host");
  CHECK(flaw("http:///x") == "\"http:///x\" has no host");
  CHECK(flaw("http://h:0") == "\"http://h:0\" has a port that is not 1 to 65535");
  CHECK(flaw("http://h:65536").ends_with("has a port that is not 1 to 65535"));
  CHECK(flaw("http://h:") == "\"http://h:\" has a port that is not 1 to 65535");
  CHECK(flaw("http://[::1") == "\"http://[::1\" has no IPv6 address in its brackets");
  CHECK(flaw("http://[::1]x") == "\"http://[::1]x\" has a port that is not 1 to 65535");
  CHECK(flaw("http://a b") == "\"http://a b\" has a host that cannot be");
  CHECK(flaw("http://h?x=1") == "\"http://h?x=1\" has more than a host, a port and a path");
  CHECK(flaw("http://h/%2") == "\"http://h/%2\" has a path that must be percent-encoded");
  CHECK(flaw("http://h/\n").find("control character") != std::string::npos);
  CHECK(user.url(url_flag("http://[::1]:55589/a%20b/")) == "http://[::1]:55589/a%20b by --url");
}

TEST_CASE("a user or password in a URL is refused and not shown") {
  User user;
  CHECK(user.complaint(backend("http://me:hunter2@h")) ==
        "64 --backend: a user or password in a URL is refused | keep it in a file of its own that only you can read");
  user.variables["LOCKGATE_BACKEND"] = "file://me:hunter2@h/x";
  CHECK(user.complaint() ==
        "78 LOCKGATE_BACKEND: a user or password in a URL is refused | "
        "keep it in a file of its own that only you can read");
  user.variables = {{"HOME", "/h"}, {"LOCKGATE_URL", "http://me:hunter2@h"}};
  CHECK(user.complaint() ==
        "78 LOCKGATE_URL: a user or password in a URL is refused | "
        "put a token in a file that only you can read, and name it with --token-file");
  CHECK(user.complaint(url_flag("me:hunter2@h")).find("hunter2") == std::string::npos);
}
