// SPDX-License-Identifier: Apache-2.0
// Who wins: flag, variable, configuration, default; and in which directory a lock then lies.
#include "cli/settings.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.hpp"

using namespace std::chrono_literals;
using lockgate::BackendKind;
using lockgate::Error;
using lockgate::Settings;
using lockgate::SettingsInput;

namespace {

/// A user with an environment, a current directory and perhaps a configuration.
class User {
 public:
  User() {
    surroundings_.variable = [this](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    };
    surroundings_.current_dir = "/home/ci/src";
    surroundings_.euid = 1000;
    surroundings_.system_config = "/nowhere/config.yaml";
    variables["HOME"] = "/home/me";
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User() {
    std::error_code ignored;
    std::filesystem::remove(config_, ignored);
  }

  void configure(const std::string& content) {
    std::string name = "/tmp/lockgate-settings-XXXXXX";
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(name) << content;
    config_ = name;
    variables["LOCKGATE_CONFIG"] = name;
  }
  void become_root() { surroundings_.euid = 0; }
  void lose_current_dir() { surroundings_.current_dir.clear(); }

  [[nodiscard]] Settings settings(const SettingsInput& input = {}) const {
    return lockgate::resolve_settings(input, surroundings_);
  }
  /// "DIR by ORIGIN".
  [[nodiscard]] std::string dir(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    return found.dir.value + " by " + shorten(found.dir.origin);
  }
  /// The same of the lock server.
  [[nodiscard]] std::string url(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    CHECK(found.kind.value == BackendKind::http);
    return found.server.url.value + " by " + shorten(found.server.url.origin);
  }
  [[nodiscard]] std::string token(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    return found.server.token_file.value + " by " + shorten(found.server.token_file.origin);
  }
  /// "CODE MESSAGE | NEXT STEP", with the configuration as CONFIG.
  [[nodiscard]] std::string complaint(const SettingsInput& input = {}) const {
    try {
      return "no complaint, but " + dir(input);
    } catch (const Error& e) {
      return shorten(std::to_string(to_int(e.code())) + " " + e.what() + " | " + e.next_step());
    }
  }
  [[nodiscard]] std::string shorten(std::string text) const {
    if (const auto at = text.find(config_); !config_.empty() && at != std::string::npos) {
      text.replace(at, config_.size(), "CONFIG");
    }
    return text;
  }

  std::map<std::string, std::string> variables;

 private:
  lockgate::Surroundings surroundings_;
  std::string config_;
};

SettingsInput backend(const std::string& text) {
  SettingsInput input;
  input.backend = text;
  return input;
}

SettingsInput dir_flag(const std::string& text) {
  SettingsInput input;
  input.dir = text;
  return input;
}

SettingsInput backend_and_dir(const std::string& text, const std::string& dir) {
  SettingsInput input = backend(text);
  input.dir = dir;
  return input;
}

constexpr auto kProfiles = R"(backends:
  local: {kind: file, dir: /profile, allow_insecure_dir: true}
  plain: {kind: file}
  ci: {kind: http, url: https://locks.example.com/, token_file: /ci/token, ca_file: /ci/ca.pem}
)";

SettingsInput url_flag(const std::string& text) {
  SettingsInput input;
  input.url = text;
  return input;
}

}  // namespace

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

// ---- lock servers

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

TEST_CASE("the process's own surroundings are what the system says") {
  ::setenv("LOCKGATE_TEST_VARIABLE", "here", 1);
  const auto surroundings = lockgate::Surroundings::of_this_process();
  CHECK(surroundings.get("LOCKGATE_TEST_VARIABLE") == "here");
  CHECK_FALSE(surroundings.get("LOCKGATE_TEST_NO_SUCH_VARIABLE").has_value());
  CHECK(surroundings.current_dir == std::filesystem::current_path().string());
  CHECK(surroundings.euid == ::geteuid());
}
