// SPDX-License-Identifier: Apache-2.0
// The configuration file, written to disk for real: what is taken from it, and how each mistake is told.
#include "cli/config.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.hpp"

using namespace std::chrono_literals;
using lockgate::BackendKind;
using lockgate::Config;
using lockgate::Error;
using lockgate::ExitCode;
using lockgate::load_config;

namespace {

namespace fs = std::filesystem;

/// A folder of its own with an environment of its own.
class Place {
 public:
  Place() {
    std::string name = "/tmp/lockgate-config-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    dir = name;
    surroundings.variable = [this](const char* variable) {
      const auto found = variables.find(variable);
      return found == variables.end() ? nullptr : found->second.c_str();
    };
    surroundings.current_dir = dir;
    surroundings.euid = 1000;
    surroundings.system_config = dir + "/etc/config.yaml";
    variables["HOME"] = dir + "/home";
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    std::error_code ignored;
    fs::remove_all(dir, ignored);
  }

  std::string write(const std::string& name, const std::string& content) const {
    std::string path = dir + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::string dir;
  std::map<std::string, std::string> variables;
  lockgate::Surroundings surroundings;
};

Config read(const Place& place, const std::string& content) {
  auto config = load_config(place.write("c.yaml", content), place.surroundings);
  REQUIRE(config.has_value());
  return *std::move(config);
}

/// The message after "FOLDER/", and behind a " | " the next step where there is one.
std::string complaint(const Place& place, const std::optional<std::string>& named = std::nullopt) {
  try {
    const auto config = load_config(named, place.surroundings);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::config);
    std::string text = e.what();
    if (text.starts_with(place.dir + "/")) {
      text.erase(0, place.dir.size() + 1);
    }
    return e.next_step().empty() ? text : text + " | " + e.next_step();
  }
  return "no complaint";
}

std::string complaint_about(const std::string& content) {
  const Place place;
  return complaint(place, place.write("c.yaml", content));
}

constexpr auto kExample = R"(backend: ci                     # the profile used when nothing is said
defaults: {ttl: 30s, timeout: 10m}
backends:
  ci:      {kind: http, url: https://locks.example.com, token_file: /run/secrets/lockgate, ca_file: /etc/ssl/ci.pem}
  cluster: {kind: k8s, namespace: ci, resource: configmaps/locks, kubeconfig: ~/.kube/config, context: prod}
  leases:  {kind: k8s, namespace: ci, mode: lease}
  local:   {kind: file, dir: /var/lock/myapp}
  kv:      {kind: etcd, endpoints: [https://10.0.0.1:2379], prefix: /locks}
)";

}  // namespace

TEST_CASE("the example of the manual is read, each value with its place") {
  const Place place;
  const Config config = read(place, kExample);
  const std::string file = place.dir + "/c.yaml";
  CHECK(config.file == file);
  REQUIRE(config.backend.has_value());
  CHECK(config.backend->value == "ci");
  CHECK(config.backend->origin == file + ":1:10");
  REQUIRE(config.defaults.ttl.has_value());
  CHECK(config.defaults.ttl->value == 30s);
  CHECK(config.defaults.ttl->origin == file + ":2:17");
  REQUIRE(config.defaults.timeout.has_value());
  CHECK(config.defaults.timeout->value.limit == 10min);
  REQUIRE(config.profiles.size() == 5);
  CHECK(config.profiles.at("local").kind.value == BackendKind::file);
  CHECK(config.profiles.at("local").text.at("dir").value == "/var/lock/myapp");
  CHECK(config.profiles.at("local").text.at("dir").origin == file + ":7:30");
  CHECK(config.profiles.at("cluster").text.at("kubeconfig").value == place.dir + "/home/.kube/config");
  CHECK(config.profiles.at("leases").text.at("mode").value == "lease");
  REQUIRE(config.profiles.at("kv").endpoints.size() == 1);
  CHECK(config.profiles.at("kv").endpoints[0].value == "https://10.0.0.1:2379");
  CHECK(config.profiles.at("kv").text.at("prefix").value == "/locks");
}

TEST_CASE("every default and every remaining key can be said") {
  const Place place;
  const Config config = read(place, R"(
defaults:
  ttl: 2
  timeout: none
  kill_after: 1.5s
  conflict_exit_code: 0
  color: never
  on_lost: continue
backends:
  open: {kind: file, allow_insecure_dir: true}
  h: {kind: http, url: http://h:55589, cert_file: a.pem, key_file: k.pem}
  e: {kind: etcd, endpoints: h:2379, user: me, password_file: "../pw", ca_file: x, cert_file: y, key_file: z}
  k: {kind: k8s, mode: annotations}
)");
  CHECK(config.defaults.ttl->value == 2s);
  CHECK_FALSE(config.defaults.timeout->value.limit.has_value());
  CHECK(config.defaults.kill_after->value == 1500ms);
  CHECK(config.defaults.conflict_exit_code->value == 0);
  CHECK(config.defaults.color->value == "never");
  CHECK(config.defaults.on_lost->value == "continue");
  CHECK(config.profiles.at("open").allow_insecure_dir->value);
  CHECK(config.profiles.at("e").endpoints[0].value == "h:2379");
  CHECK(config.profiles.at("e").text.at("password_file").value == place.dir + "/../pw");
}

TEST_CASE("a relative path begins at the folder of the configuration, whatever the current directory is") {
  Place place;
  place.write("sub/c.yaml", "backends: {a: {kind: file, dir: .//locks/}, b: {kind: file, dir: '~'}}");
  const auto config = load_config("sub/c.yaml", place.surroundings);
  REQUIRE(config.has_value());
  CHECK(config->file == "sub/c.yaml");
  CHECK(config->profiles.at("a").text.at("dir").value == place.dir + "/sub/locks");
  CHECK(config->profiles.at("a").text.at("dir").origin == "sub/c.yaml:1:33");
  CHECK(config->profiles.at("b").text.at("dir").value == place.dir + "/home");
}

TEST_CASE("a file that says nothing is a configuration that says nothing") {
  const Place place;
  for (const char* content : {"", "# nothing yet\n", "---\n", "defaults:\nbackends:\n", "\xEF\xBB\xBF", "{}"}) {
    CAPTURE(content);
    const Config config = read(place, content);
    CHECK_FALSE(config.backend.has_value());
    CHECK(config.profiles.empty());
  }
}

TEST_CASE("the first file that exists is taken: --config, LOCKGATE_CONFIG, the user's, the system's") {
  Place place;
  const auto taken = [&place](const std::optional<std::string>& named = std::nullopt) {
    const auto config = load_config(named, place.surroundings);
    return config ? config->file.substr(place.dir.size()) : "none";
  };
  CHECK(taken() == "none");
  place.write("etc/config.yaml", "");
  CHECK(taken() == "/etc/config.yaml");
  place.write("home/.config/lockgate/config.yaml", "");
  CHECK(taken() == "/home/.config/lockgate/config.yaml");
  place.variables["XDG_CONFIG_HOME"] = place.dir + "/xdg";
  CHECK(taken() == "/etc/config.yaml");
  place.write("xdg/lockgate/config.yaml", "");
  CHECK(taken() == "/xdg/lockgate/config.yaml");
  place.variables["LOCKGATE_CONFIG"] = place.write("variable.yaml", "");
  CHECK(taken() == "/variable.yaml");
  CHECK(taken(place.write("named.yaml", "")) == "/named.yaml");
}

TEST_CASE("empty and relative XDG_CONFIG_HOME count as unset, and without a home the user's file is skipped") {
  Place place;
  place.write("home/.config/lockgate/config.yaml", "");
  for (const char* base : {"", "relative"}) {
    place.variables["XDG_CONFIG_HOME"] = base;
    CHECK(load_config(std::nullopt, place.surroundings)->file == place.dir + "/home/.config/lockgate/config.yaml");
  }
  place.variables.erase("HOME");
  CHECK_FALSE(load_config(std::nullopt, place.surroundings).has_value());
}

TEST_CASE("a file that was named must exist") {
  Place place;
  CHECK(complaint(place, "missing.yaml") == "--config: there is no configuration \"missing.yaml\"");
  place.variables["LOCKGATE_CONFIG"] = "/nowhere/c.yaml";
  CHECK(complaint(place) == "LOCKGATE_CONFIG: there is no configuration \"/nowhere/c.yaml\"");
}

TEST_CASE("a file that exists and cannot be read is named and not passed over") {
  Place place;
  place.write("etc/config.yaml", "");
  fs::create_directories(place.dir + "/home/.config/lockgate/config.yaml");
  CHECK(complaint(place) == fmt::format("cannot read the configuration \"{}/home/.config/lockgate/config.yaml\": "
                                        "it is not a regular file",
                                        place.dir));
  if (::geteuid() == 0) {
    MESSAGE("skipped for root, who may read everything: a file without read permission");
    return;
  }
  const std::string file = place.write("secret.yaml", "");
  REQUIRE(::chmod(file.c_str(), 0) == 0);
  CHECK(complaint(place, file) == fmt::format("cannot read the configuration \"{}\": Permission denied | "
                                              "make it readable for you, or name another one with --config",
                                              file));
}

TEST_CASE("a FIFO keeps nobody waiting") {
  const Place place;
  const std::string fifo = place.dir + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(complaint(place, fifo) == fmt::format("cannot read the configuration \"{}\": it is not a regular file", fifo));
}

TEST_CASE("a file of more than 1 MiB is refused, one of 1 MiB is read") {
  const Place place;
  const std::string comment = "#" + std::string(1024 * 1024 - 1, 'x');
  CHECK_FALSE(read(place, comment).backend.has_value());
  const std::string large = place.write("large.yaml", comment + "x");
  CHECK(complaint(place, large) == fmt::format("cannot read the configuration \"{}\": it is larger than 1 MiB", large));
}

TEST_CASE("an unknown key is answered with the nearest one") {
  CHECK(complaint_about("defaults:\n  ttl: 30s\n  timout: 10m\n") ==
        "c.yaml:3:3: unknown key \"timout\" in defaults; did you mean \"timeout\"?");
  CHECK(complaint_about("backend: ci\nbackeds: {}\n") ==
        "c.yaml:2:1: unknown key \"backeds\" in the configuration; did you mean \"backends\"?");
  CHECK(complaint_about("backends:\n  a: {kind: http, token-file: x}\n") ==
        "c.yaml:2:19: unknown key \"token-file\" in a profile of kind http; did you mean \"token_file\"?");
  CHECK(complaint_about("defaults: {TTL: 3s}") ==
        "c.yaml:1:12: unknown key \"TTL\" in defaults; did you mean \"ttl\"?");
}

TEST_CASE("where no key is near, all are listed") {
  CHECK(complaint_about("colour_scheme: 1") ==
        "c.yaml:1:1: unknown key \"colour_scheme\" in the configuration | valid there: backend, defaults, backends");
  CHECK(
      complaint_about("backends: {a: {kind: file, namespace: x}}") ==
      "c.yaml:1:28: unknown key \"namespace\" in a profile of kind file | valid there: kind, allow_insecure_dir, dir");
}

TEST_CASE("a value of the wrong type is told with what belongs there and what is there") {
  CHECK(complaint_about("[]") == "c.yaml:1:1: expected a map (key: value), found a list");
  CHECK(complaint_about("just words") == "c.yaml:1:1: expected a map (key: value), found \"just words\"");
  CHECK(complaint_about("backend:\n") == "c.yaml:1:1: expected the name of a profile, a kind or a URL, found nothing");
  CHECK(complaint_about("defaults: 5") == "c.yaml:1:11: expected a map (key: value), found the number \"5\"");
  CHECK(complaint_about("defaults: {ttl: [1]}") == "c.yaml:1:17: expected a duration such as 10s, found a list");
  CHECK(complaint_about("defaults: {conflict_exit_code: 256}") ==
        "c.yaml:1:32: expected a number from 0 to 255, found the number \"256\"");
  CHECK(complaint_about("defaults: {conflict_exit_code: \"7\"}") ==
        "c.yaml:1:32: expected a number from 0 to 255, found \"7\"");
  CHECK(complaint_about("defaults: {color: alwais}") ==
        "c.yaml:1:19: expected one of auto, always, never, found \"alwais\"; did you mean \"always\"?");
  CHECK(complaint_about("backends: {a: {kind: file, dir: 5}}") ==
        "c.yaml:1:33: expected a path, found the number \"5\" | put it in quotes if it is meant");
  CHECK(complaint_about("backends: {a: {kind: file, dir: ~}}") == "c.yaml:1:33: expected a path, found nothing");
  CHECK(complaint_about("backends: {a: {kind: file, dir: ''}}") == "c.yaml:1:33: expected a path, found \"\"");
  CHECK(complaint_about("backends: {a: {kind: file, allow_insecure_dir: yes}}") ==
        "c.yaml:1:48: expected true or false, found \"yes\"");
  CHECK(complaint_about("backends: {a: {kind: etcd, endpoints: []}}") ==
        "c.yaml:1:39: expected a list of endpoints, found a list");
  CHECK(complaint_about("backends: {a: {kind: http, url: locks.example.com}}") ==
        "c.yaml:1:33: expected a URL such as https://locks.example.com, found \"locks.example.com\"");
  constexpr auto kLook = " | https://locks.example.com, http://127.0.0.1:55589 and unix:/PATH are such URLs";
  CHECK(complaint_about("backends: {a: {kind: http, url: 'http://:55589'}}") ==
        std::string("c.yaml:1:33: the URL \"http://:55589\" has no host") + kLook);
  CHECK(complaint_about("backends: {a: {kind: http, url: 'ftp://host'}}") ==
        std::string("c.yaml:1:33: the URL \"ftp://host\" begins neither http:// nor https:// nor unix:") + kLook);
}

TEST_CASE("a lock server's URL loses its last slash, and the path of a socket is from the configuration's folder on") {
  const Place place;
  const Config config =
      read(place, "backends:\n  a: {kind: http, url: 'http://h/p/'}\n  b: {kind: http, url: 'unix:run/s'}\n");
  CHECK(config.profiles.at("a").text.at("url").value == "http://h/p");
  CHECK(config.profiles.at("b").text.at("url").value == "unix:" + place.dir + "/run/s");
}

TEST_CASE("a bad duration is told with what a duration looks like") {
  constexpr auto kLook = " | a duration looks like 250ms, 10s, 1m30s or 2h, or is a bare number of seconds";
  CHECK(complaint_about("defaults: {ttl: 10x}") == std::string("c.yaml:1:17: \"10x\" is no duration") + kLook);
  CHECK(complaint_about("defaults: {kill_after: none}") == std::string("c.yaml:1:24: \"none\" is no duration") + kLook);
  CHECK(complaint_about("defaults: {timeout: never}") ==
        std::string("c.yaml:1:21: \"never\" is neither a duration nor \"none\"") + kLook);
  CHECK(complaint_about("defaults: {ttl: 1s}") == "c.yaml:1:17: a lease of 1s is too short | a ttl is 2s to 1h");
  CHECK(complaint_about("defaults: {ttl: 2h}") == "c.yaml:1:17: a lease of 2h00m is too long | a ttl is 2s to 1h");
}

TEST_CASE("a profile needs a name of its own and a kind") {
  CHECK(complaint_about("backends:\n  a: {dir: /x}\n") ==
        "c.yaml:2:3: profile \"a\" does not say its kind | add kind: file, http, k8s or etcd");
  CHECK(complaint_about("backends:\n  a: {kind: files}\n") ==
        "c.yaml:2:13: expected one of file, http, k8s, etcd, found \"files\"; did you mean \"file\"?");
  CHECK(complaint_about("backends:\n  etcd: {kind: etcd}\n") ==
        "c.yaml:2:3: \"etcd\" is a kind of backend and cannot name a profile | give the profile another name");
  CHECK(complaint_about("backends:\n  a b: {kind: file}\n") ==
        "c.yaml:2:3: \"a b\" is no name for a profile | 1 to 64 letters, digits, dots, underscores and dashes");
  CHECK(complaint_about("backends: {" + std::string(64, 'x') + ": {kind: file}}") == "no complaint");
  CHECK(complaint_about("backends: {" + std::string(65, 'x') + ": {kind: file}}").starts_with("c.yaml:1:12: "));
}

TEST_CASE("a user or password in a URL is refused and never shown") {
  constexpr auto kRefused =
      ": a user or password in a URL is refused | keep it in a file of its own that only you can read";
  CHECK(complaint_about("backend: https://me:hunter2@host") == std::string("c.yaml:1:10") + kRefused);
  CHECK(complaint_about("backends: {a: {kind: http, url: 'https://me:hun/ter2@host'}}") ==
        std::string("c.yaml:1:33") + kRefused);
  CHECK(complaint_about("backends:\n a:\n  kind: etcd\n  endpoints:\n  - https://a:1\n  - me:hunter2@b:2\n") ==
        std::string("c.yaml:6:5") + kRefused);
}

TEST_CASE("what could make a small file large or ambiguous is refused") {
  constexpr auto kAnchors =
      ": anchors (&) and aliases (*) are not allowed | write the value out; quote a text that begins with & or *";
  CHECK(complaint_about("backends:\n  a: &x {kind: file}\n  b: *x\n") == std::string("c.yaml:2:6") + kAnchors);
  CHECK(complaint_about("backends:\n  a:\n    <<: {kind: file}\n") ==
        "c.yaml:3:5: merge keys (<<) are not allowed | write the keys out");
  CHECK(complaint_about("backend: !!str file\n") ==
        "c.yaml:1:10: tags (!) are not allowed | quote a text that begins with !");
  CHECK(complaint_about("backend: a\ndefaults: {}\nbackend: b\n") ==
        "c.yaml:3:1: key \"backend\" is here twice, first in line 1");
  CHECK(complaint_about("backend: a\n---\nbackend: b\n") ==
        "c.yaml:2:1: a second document begins here | a configuration is one document: remove the \"---\"");
  CHECK(complaint_about("{[a]: b}") == "c.yaml:1:2: a key must be a word");
  CHECK(complaint_about("x: " + std::string(15, '[') + std::string(15, ']')).starts_with("c.yaml:1:1: unknown key"));
  CHECK(complaint_about("x: " + std::string(16, '[') + std::string(16, ']')) ==
        "c.yaml:1:19: nested deeper than 16 levels");
  CHECK(complaint_about("x: " + std::string(900'000, '[')).ends_with("nested deeper than 16 levels"));
}

TEST_CASE("broken YAML keeps its line and column") {
  CHECK(complaint_about("backend: ci\ndefaults: {ttl: 30s\n") ==
        "c.yaml:3:1: not valid YAML: end of map flow not found | "
        "look at indentation, colons, brackets and quotes there and in the line before");
  CHECK(complaint_about("backend: a: b\n").starts_with("c.yaml:1:11: not valid YAML: illegal map value"));
  CHECK(complaint_about("defaults:\n\tttl: 3s\n").starts_with("c.yaml:2:"));
  CHECK(complaint_about("backend: \"ci\n").starts_with("c.yaml:2:1: not valid YAML: illegal document indicator"));
  CHECK(complaint_about("backends: {a: {kind: file, dir: '/x").starts_with("c.yaml:2:1: not valid YAML: "));
  CHECK(complaint_about("backend: file\n...\n") == "no complaint");
}

TEST_CASE("bytes that are no text are refused at their place, also where the parser would stop reading") {
  CHECK(complaint_about("backend: a\n# \x04 \ndefaults: {}\n") ==
        "c.yaml:2:3: a control character (0x04) | a configuration is UTF-8 text");
  CHECK(complaint_about(std::string("backend: a\0b", 12)) ==
        "c.yaml:1:11: a control character (0x00) | a configuration is UTF-8 text");
  CHECK(complaint_about("backend: caf\xE9\r\n") == "c.yaml:1:13: no valid UTF-8 | a configuration is UTF-8 text");
  CHECK(complaint_about("backends: {a: {kind: file, dir: \"/x\\ny\"}}") ==
        "c.yaml:1:33: expected a path, found a control character (0x0a) in it");
  CHECK(complaint_about("backend: file\t# a tab\r\n") == "no complaint");
}

TEST_CASE("a path that begins with ~ needs a home, and only one's own") {
  CHECK(complaint_about("backends: {a: {kind: file, dir: ~bob/x}}") ==
        "c.yaml:1:33: \"~bob/x\": the home of another user cannot be named so | "
        "write the path out, or begin it with ./");
  Place place;
  place.variables.erase("HOME");
  CHECK(complaint(place, place.write("c.yaml", "backends: {a: {kind: file, dir: ~/x}}")) ==
        "c.yaml:1:33: \"~/x\": HOME does not name a directory | set HOME, or write the path out");
}

TEST_CASE("a long value is cut short in a message") {
  const std::string told = complaint_about("defaults: " + std::string(100'000, 'x'));
  CHECK(told.ends_with("xxx\"..."));
  CHECK(told.size() < 200);
}
