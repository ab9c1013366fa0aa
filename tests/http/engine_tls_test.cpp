// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "core/error.hpp"
#include "tests/http/engine_play.hpp"
#include "tests/http/tls_play.hpp"

using namespace std::chrono_literals;
using lockgate::Error;
using lockgate::ExitCode;
using lockgate::play::any_port;
using lockgate::play::Client;
using lockgate::play::Directory;
using lockgate::play::get;
using lockgate::play::Identity;
using lockgate::play::make_identity;
using lockgate::play::Server;
using lockgate::play::TlsClient;
using lockgate::play::write_certificate;
using lockgate::play::write_key;
using lockgate::server::EngineOptions;
using lockgate::server::TlsFiles;

namespace {

/// A CA, a server's certificate and key, in files.
struct Authority {
  Directory directory;
  Identity ca = make_identity("Test CA", "");
  Identity server = make_identity("server one", "DNS:localhost", &ca);

  Authority() {
    write_certificate(ca, directory.at("ca.pem"));
    write_certificate(server, directory.at("server.pem"));
    write_key(server, directory.at("server.key"));
  }
  [[nodiscard]] EngineOptions options() const {
    EngineOptions out = any_port();
    out.tls = TlsFiles{directory.at("server.pem"), directory.at("server.key"), ""};
    return out;
  }
  [[nodiscard]] EngineOptions mutual() const {
    EngineOptions out = options();
    out.tls->client_ca = directory.at("ca.pem");
    return out;
  }
};

ExitCode refusal_of(const EngineOptions& options) {
  try {
    Server server(options);
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::done;
}

}  // namespace

TEST_CASE("HTTPS is served, by TLS 1.3 and 1.2, and the URL says so") {
  const Authority authority;
  Server server(authority.options());
  CHECK(server.urls().front().starts_with("https://127.0.0.1:"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client(server.port());
    TlsClient tls(client, {version, "http/1.1", nullptr});
    REQUIRE(tls.connect());
    CHECK(tls.version() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    CHECK(tls.protocol() == "http/1.1");
    CHECK(tls.send(get("/peer")));
    CHECK(tls.see("127.0.0.1 loopback tls uid=none name="));
    CHECK(tls.send(get("/next")));
    CHECK(tls.see("GET /next"));
  }
}

TEST_CASE("TLS 1.1, and clients that speak something else than HTTP/1.1, are refused") {
  const Authority authority;
  Server server(authority.options());
  Client old(server.port());
  CHECK_FALSE(TlsClient(old, {TLS1_1_VERSION, "", nullptr}).connect());
  Client other(server.port());
  CHECK_FALSE(TlsClient(other, {TLS1_3_VERSION, "h2", nullptr}).connect());
  CHECK(server.notes.wait_for_part("TLS handshake with 127.0.0.1 failed: ") != "");
}

TEST_CASE("failed handshakes are told of in few lines") {
  const Authority authority;
  Server server(authority.options());
  for (int i = 0; i < 20; ++i) {
    Client client(server.port());
    client.send(std::string("\x16\x09\x09\x00\x02\xFF\xFF", 7));
    CHECK(client.rest());
  }
  const std::string line = server.notes.wait_for_part("TLS handshake");
  REQUIRE(line != "");
  std::size_t lines = 0;
  server.on_loop([&] { lines = server.notes.count(line); });
  CHECK(lines <= 3);
}

TEST_CASE("plain HTTP on the port of HTTPS is answered with what is wrong") {
  const Authority authority;
  Server server(authority.options());
  Client client(server.port());
  const auto reply = client.ask(get("/"));
  CHECK(reply.status == 400);
  CHECK(reply.body.find("HTTPS") != std::string::npos);
  CHECK(client.is_closed());
}

TEST_CASE("a handshake that does not go on is given up") {
  const Authority authority;
  EngineOptions options = authority.options();
  options.limits.header_time = 200ms;
  Server server(options);
  Client client(server.port());
  client.send("\x16\x03\x01");
  CHECK(client.is_closed());
  CHECK(server.notes.wait_for_part("took too long") != "");
}

TEST_CASE("a parked request over TLS notices that its client has gone, with and without a goodbye") {
  const Authority authority;
  Server server(authority.options());
  for (std::size_t round = 1; round <= 3; ++round) {
    CAPTURE(round);
    Client client(server.port());
    TlsClient tls(client, {});
    REQUIRE(tls.connect());
    CHECK(tls.send(get("/park")));
    REQUIRE(server.notes.wait_for("parking /park", round));
    if (round == 1) {
      tls.say_goodbye();
    } else if (round == 2) {
      client.end_sending();
    } else {
      client.reset();
    }
    CHECK(server.notes.wait_for("unparked hung_up", round));
  }
}

TEST_CASE("over TLS what is sent ahead, and a new key, are no hang-up") {
  const Authority authority;
  Server server(authority.options());
  Client client(server.port());
  TlsClient tls(client, {});
  REQUIRE(tls.connect());
  CHECK(tls.send(get("/park")));
  REQUIRE(server.notes.wait_for("parking /park"));
  CHECK(SSL_key_update(tls.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
  CHECK(tls.send(get("/next")));
  server.on_loop([] {});
  CHECK(server.parked() == 1);
  server.wake();
  CHECK(tls.see("woken"));
  CHECK(tls.see("GET /next"));
}

TEST_CASE("a large answer arrives whole over TLS") {
  const Authority authority;
  Server server(authority.options());
  Client client(server.port());
  TlsClient tls(client, {});
  REQUIRE(tls.connect());
  CHECK(tls.send(get("/big")));
  CHECK(tls.see(std::string(std::size_t{32} * 1024 * 1024, 'b')));
}

TEST_CASE("with a client CA, only clients with a certificate of it are served, by its first name") {
  const Authority authority;
  Server server(authority.mutual());
  for (const auto& [names, shown] : {std::pair{"IP:10.0.0.1,URI:spiffe://ci/runner,DNS:later", "spiffe://ci/runner"},
                                     {"email:ci@example.org", "ci@example.org"},
                                     {"", "common"}}) {
    const Identity runner = make_identity("common", names, &authority.ca);
    Client client(server.port());
    TlsClient tls(client, {TLS1_3_VERSION, "", &runner});
    REQUIRE(tls.connect());
    CHECK(tls.send(get("/peer")));
    CHECK(tls.see(std::string("name=") + shown));
  }
}

TEST_CASE("with a client CA, a client without a certificate, or with a foreign one, is refused") {
  const Authority authority;
  Server server(authority.mutual());
  Client nameless(server.port());
  TlsClient without(nameless, {});
  CHECK_FALSE((without.connect() && without.send(get("/peer")) && without.see("200 OK")));
  const Identity foreign_ca = make_identity("Test CA", "");
  const Identity foreign = make_identity("foreign", "DNS:foreign", &foreign_ca);
  Client stranger(server.port());
  TlsClient with(stranger, {TLS1_3_VERSION, "", &foreign});
  CHECK_FALSE((with.connect() && with.send(get("/peer")) && with.see("200 OK")));
  CHECK(server.notes.count("served 200") == 0);
}

TEST_CASE("with a client CA, a client that is refused is not cut off while it sends: it hears why") {
  const Authority authority;
  Server server(authority.mutual());
  Client nameless(server.port());
  TlsClient client(nameless, {});
  REQUIRE(client.connect());  // its half of it
  const int fd = SSL_get_fd(client.ssl());
  pollfd end{fd, POLLRDHUP, 0};
  REQUIRE(::poll(&end, 1, 10'000) == 1);
  REQUIRE((end.revents & (POLLERR | POLLHUP)) == 0);
  // What comes to a socket that was closed is answered with a reset, and then nothing can be sent any more.
  CHECK(client.send(get("/peer")));
  int unanswered = 1;
  for (pollfd reset{fd, 0, 0}; unanswered > 0 && ::poll(&reset, 1, 1) == 0;) {
    REQUIRE(::ioctl(fd, TIOCOUTQ, &unanswered) == 0);
  }
  CHECK(client.send(get("/peer")));
  ERR_clear_error();
  CHECK_FALSE(client.see("200 OK"));
  CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
}

TEST_CASE("a new certificate is taken without a connection being dropped") {
  const Authority authority;
  Server server(authority.options());
  Client before(server.port());
  TlsClient old(before, {});
  REQUIRE(old.connect());
  const Identity renewed = make_identity("server two", "DNS:localhost", &authority.ca);
  write_certificate(renewed, authority.directory.at("server.pem"));
  write_key(renewed, authority.directory.at("server.key"));
  server.on_loop([&] { server.engine().reload_tls(); });
  CHECK(old.send(get("/still")));
  CHECK(old.see("GET /still"));
  CHECK(old.server_name() == "server one");
  Client after(server.port());
  TlsClient fresh(after, {});
  REQUIRE(fresh.connect());
  CHECK(fresh.server_name() == "server two");
}

TEST_CASE("a new certificate that cannot be used leaves the old one at work") {
  const Authority authority;
  Server server(authority.options());
  std::ofstream(authority.directory.at("server.key")) << "no key\n";
  server.on_loop([&] { CHECK_THROWS_AS(server.engine().reload_tls(), Error); });
  Client client(server.port());
  TlsClient tls(client, {});
  REQUIRE(tls.connect());
  CHECK(tls.server_name() == "server one");
}

TEST_CASE("a certificate or key that is missing or does not fit is a fault of the configuration") {
  const Authority authority;
  EngineOptions options = authority.options();
  options.tls->certificate = authority.directory.at("none.pem");
  CHECK(refusal_of(options) == ExitCode::config);
  options = authority.options();
  write_key(authority.ca, authority.directory.at("other.key"));
  options.tls->key = authority.directory.at("other.key");
  CHECK(refusal_of(options) == ExitCode::config);
  options = authority.mutual();
  options.tls->client_ca = authority.directory.at("none.pem");
  CHECK(refusal_of(options) == ExitCode::config);
}

TEST_CASE("a key that others may read is told of") {
  const Authority authority;
  ::chmod(authority.directory.at("server.key").c_str(), 0644);
  Server server(authority.options());
  CHECK(server.notes.find("server.key\" is open to everybody on this host (mode 0644)") != "");
}
