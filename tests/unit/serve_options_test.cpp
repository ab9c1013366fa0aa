// SPDX-License-Identifier: Apache-2.0
// What the words of `lockgate serve` come to.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "cli/serve.hpp"
#include "core/error.hpp"

using namespace lockgate;
using namespace std::chrono_literals;

namespace {

/// A user of whom only the id and the home matter.
Surroundings surroundings_of(uid_t uid, const char* home = "/home/me") {
  Surroundings surroundings;
  surroundings.variable = [home](const char* name) { return std::string(name) == "HOME" ? home : nullptr; };
  surroundings.current_dir = "/srv";
  surroundings.euid = uid;
  return surroundings;
}

server::ServeOptions options_of(std::vector<const char*> words, const Surroundings& who = surroundings_of(1000)) {
  words.insert(words.begin(), {"lockgate", "serve"});
  return serve_options(parse_command_line(static_cast<int>(words.size()), words.data()), who);
}

std::string refusal_of(const std::vector<const char*>& words) {
  try {
    options_of(words);
  } catch (const Error& error) {
    return std::to_string(to_int(error.code())) + " " + error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("with nothing said, a server is for this host, and keeps its locks on the disk") {
  const auto options = options_of({});
  CHECK(options.listen == "127.0.0.1:55589");
  CHECK(options.store == server::StoreKind::sqlite);
  CHECK(options.store_path == "/home/me/.local/state/lockgate/locks.db");
  CHECK(options.tls_cert.empty());
  CHECK(options.tokens.empty());
  CHECK(options.strangers == server::Strangers::refuse);
  CHECK(options.max_ttl == 1h);
  CHECK(options.limits.body == 524288);  // a value with every byte escaped
  CHECK(options.verbosity == 0);
}

TEST_CASE("root's server keeps its locks in the system's place, and who has no home must name one") {
  CHECK(options_of({}, surroundings_of(0)).store_path == "/var/lib/lockgate/locks.db");
  CHECK_THROWS_AS(options_of({}, surroundings_of(1000, nullptr)), Error);
  CHECK(options_of({"--store", "sqlite:x.db"}, surroundings_of(1000, nullptr)).store_path == "/srv/x.db");
}

TEST_CASE("a memory store has short leases, since after a restart it grants nothing for the longest of them") {
  CHECK(options_of({"--store", "memory"}).max_ttl == 60s);
  CHECK(options_of({"--store", "memory", "--max-ttl", "5m"}).max_ttl == 5min);
  CHECK(options_of({"--store", "memory", "--no-restart-grace"}).restart_grace == server::RestartGrace::no);
  CHECK(options_of({"--store", "memory", "--no-restart-grace"}).max_ttl == 1h);
  CHECK(refusal_of({"--no-restart-grace"}).starts_with("64 --no-restart-grace is for --store memory"));
  CHECK(refusal_of({"--store", "etcd://h"}).starts_with("64 --store: \"etcd://h\" is no store"));
  CHECK(refusal_of({"--store", "sqlite:"}) == "64 --store: the path is empty");
}

TEST_CASE("an address to listen at has a host and a port, or is the path of a socket") {
  for (const char* good : {"127.0.0.1:0", "[::1]:80", "0.0.0.0:55589", "locks.example.com:1"}) {
    CHECK(options_of({"--listen", good}).listen == good);
  }
  CHECK(options_of({"--listen", "unix:run/s"}).listen == "unix:/srv/run/s");
  for (const char* bad : {"", ":80", "127.0.0.1", "h:", "h:65536", "h:-1", "::1:80", "h:80x", "h\n:80"}) {
    CHECK(refusal_of({"--listen", bad}).starts_with("64 --listen: "));
  }
}

TEST_CASE("certificate and key come together, and certificates of clients with them") {
  const auto options = options_of({"--tls-cert", "c", "--tls-key", "/k", "--client-ca", "ca", "--tokens", "t"});
  CHECK(options.tls_cert == "/srv/c");
  CHECK(options.tls_key == "/k");
  CHECK(options.client_ca == "/srv/ca");
  CHECK(options.tokens == "/srv/t");
  CHECK(refusal_of({"--tls-cert", "c"}).starts_with("64 --tls-cert alone"));
  CHECK(refusal_of({"--tls-key", "k"}).starts_with("64 --tls-key alone"));
  CHECK(refusal_of({"--client-ca", "ca"}).starts_with("64 --client-ca asks for certificates"));
}

TEST_CASE("limits and the log are as they were asked for") {
  const auto options =
      options_of({"--max-body", "1", "--max-connections", "2", "--max-connections-per-address", "3", "--max-waiters",
                  "4", "--max-locks", "5", "--log-format", "json", "-vv", "--insecure"});
  CHECK(options.limits.body == 1);
  CHECK(options.limits.connections == 2);
  CHECK(options.limits.connections_per_address == 3);
  CHECK(options.limits.waiters_per_lock == 4);
  CHECK(options.limits.locks == 5);
  CHECK(options.log_format == server::LogFormat::json);
  CHECK(options.verbosity == 2);
  CHECK(options.strangers == server::Strangers::allow);
  CHECK(options_of({"-q"}).verbosity == -1);
}
