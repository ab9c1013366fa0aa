// SPDX-License-Identifier: Apache-2.0
// HTTP as it is spoken on the wire.
#include <doctest/doctest.h>

#include "tests/http/engine_play.hpp"

using namespace std::chrono_literals;
using lockgate::play::any_port;
using lockgate::play::Client;
using lockgate::play::error_code;
using lockgate::play::get;
using lockgate::play::post;
using lockgate::play::Reply;
using lockgate::play::Server;
using lockgate::server::EngineOptions;

namespace {

/// A server that loses patience after a fraction of a second.
EngineOptions impatient() {
  EngineOptions options = any_port();
  options.limits.header_time = 200ms;
  options.limits.body_time = 200ms;
  options.limits.write_time = 200ms;
  options.limits.idle_time = 200ms;
  return options;
}

/// It is turned away with this status, told why as JSON, and the connection ends.
void check_refused(Client& client, int status, const std::string& code) {
  const Reply reply = client.reply();
  CHECK(reply.status == status);
  CHECK(error_code(reply) == code);
  CHECK(reply.body.find(R"("message":")") != std::string::npos);
  CHECK(reply.headers.at("Connection") == "close");
  CHECK(reply.headers.at("Content-Type") == "application/json");
  CHECK(client.is_closed());
}

}  // namespace

TEST_CASE("a reply carries its length, the date and the fields that every reply has") {
  Server server(any_port());
  Client client(server.port());
  const Reply reply = client.ask(get("/any"));
  CHECK(reply.status == 200);
  CHECK(reply.body == "GET /any");
  CHECK(reply.headers.at("Content-Length") == "8");
  CHECK(reply.headers.at("Content-Type") == "text/plain");
  CHECK(reply.headers.at("Cache-Control") == "no-store");
  CHECK(reply.headers.at("X-Content-Type-Options") == "nosniff");
  CHECK(reply.headers.at("X-Extra") == "yes");
  CHECK(reply.headers.at("Date").ends_with(" GMT"));
  CHECK_FALSE(reply.headers.contains("Connection"));
}

TEST_CASE("one connection serves one request after the other") {
  Server server(any_port());
  Client client(server.port());
  CHECK(client.ask(post("/echo", "one")).body == "one");
  CHECK(client.ask(post("/echo", "two")).body == "two");
  CHECK(server.connections() == 1);
}

TEST_CASE("requests that are sent ahead are answered in their order") {
  Server server(any_port());
  Client client(server.port());
  client.send(post("/echo", "one") + get("/park?ms=50") + post("/echo", "three") + get("/four"));
  CHECK(client.reply().body == "one");
  CHECK(client.reply().body == "time_over");
  CHECK(client.reply().body == "three");
  CHECK(client.reply().body == "GET /four");
}

TEST_CASE("a request may come in pieces of a byte") {
  Server server(any_port());
  Client client(server.port());
  for (const char byte : post("/echo", "slowly")) {
    client.send(std::string_view(&byte, 1));
  }
  CHECK(client.reply().body == "slowly");
}

TEST_CASE("Connection: close ends the connection after the answer") {
  Server server(any_port());
  Client client(server.port());
  const Reply reply = client.ask(get("/", "Connection: close\r\n"));
  CHECK(reply.status == 200);
  CHECK(reply.headers.at("Connection") == "close");
  CHECK(client.is_closed());
}

TEST_CASE("HTTP/1.0 is answered and closed, without a Host too, or kept where it asks for that") {
  Server server(any_port());
  Client once(server.port());
  CHECK(once.ask("GET /old HTTP/1.0\r\n\r\n").body == "GET /old");
  CHECK(once.is_closed());
  Client kept(server.port());
  const Reply reply = kept.ask("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(reply.headers.at("Connection") == "keep-alive");
  CHECK(kept.ask("GET /again HTTP/1.0\r\n\r\n").body == "GET /again");
}

TEST_CASE("HEAD is answered without a body, and the next answer follows") {
  Server server(any_port());
  Client client(server.port());
  client.send("HEAD /some HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next"));
  const Reply reply = client.reply(Client::Body::left_out);
  CHECK(reply.status == 200);
  CHECK(reply.headers.at("Content-Length") == "10");
  CHECK(client.reply().body == "GET /next");
}

TEST_CASE("a client that waits for 100 Continue gets it before it sends the body") {
  Server server(any_port());
  Client client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.reply().status == 100);
  CHECK(client.ask("body").body == "body");
}

TEST_CASE("a body that is too large is refused before it is sent") {
  Server server(any_port());
  Client client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n");
  check_refused(client, 413, "too_large");
}

TEST_CASE("a refusal reaches a client that sends its large body all the same") {
  Server server(any_port());
  Client client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + std::string(500000, 'x'));
  check_refused(client, 413, "too_large");
}

TEST_CASE("a chunked body is put together, up to the limit") {
  Server server(any_port());
  Client client(server.port());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(client.ask(head + "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nTrailer: t\r\n\r\n").body == "hello, world");
  CHECK(client.ask(head + "0\r\n\r\n").status == 200);
  client.send(head + "10001\r\n");
  check_refused(client, 413, "too_large");
}

TEST_CASE("garbage, bad framing and bad fields are refused, and the connection ends") {
  Server server(any_port());
  for (const char* bytes : {
           "garbage\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
           "\x16\x03\x01\x02\x00\x01",
       }) {
    CAPTURE(bytes);
    Client client(server.port());
    client.send(bytes);
    check_refused(client, 400, "bad_request");
  }
  CHECK(server.notes.count("served 400") == 11);
}

TEST_CASE("a header, a target or a number of fields beyond the limit is refused") {
  Server server(any_port());
  Client header(server.port());
  header.send(get("/", "X: " + std::string(std::size_t{16} * 1024, 'x') + "\r\n"));
  check_refused(header, 431, "too_large");
  Client endless(server.port());
  endless.send("GET / HTTP/1.1\r\nX: " + std::string(std::size_t{17} * 1024, 'x'));
  check_refused(endless, 431, "too_large");
  Client target(server.port());
  target.send(get("/" + std::string(8192, 'x')));
  check_refused(target, 414, "too_large");
  Client endless_target(server.port());
  endless_target.send("GET /" + std::string(10'000, 'x'));
  check_refused(endless_target, 414, "too_large");
}

TEST_CASE("a header that does not come whole in time is refused") {
  Server server(impatient());
  Client client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
  check_refused(client, 408, "too_slow");
}

TEST_CASE("a byte now and then does not buy a header more time") {
  Server server(impatient());
  Client client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n");
  const auto began = lockgate::BootClock::now();
  // Until the server has had enough: its answer is there to be read.
  char byte = 0;
  while (::recv(client.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && lockgate::BootClock::now() - began < 10s) {
    client.send("X: y\r\n");
    std::this_thread::sleep_for(20ms);  // how fast the slow client is
  }
  CHECK(lockgate::BootClock::now() - began < 5s);
  check_refused(client, 408, "too_slow");
}

TEST_CASE("a body that does not come whole in time is refused") {
  Server server(impatient());
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  check_refused(client, 408, "too_slow");
}

TEST_CASE("a connection without a request is closed without a word") {
  Server server(impatient());
  Client silent(server.port());
  CHECK(silent.is_closed());
  Client kept(server.port());
  CHECK(kept.ask(get("/")).status == 200);
  CHECK(kept.is_closed());
  CHECK(server.notes.count("served 408") == 0);
}

TEST_CASE("a client that does not read its answer is given up") {
  Server server(impatient());
  Client client(server.port());
  client.send(get("/big"));
  CHECK(server.notes.wait_for("unwritten 200"));
}

TEST_CASE("a large answer arrives whole") {
  Server server(any_port());
  Client client(server.port());
  CHECK(client.ask(get("/big")).body == std::string(std::size_t{32} * 1024 * 1024, 'b'));
  CHECK(client.ask(get("/next")).body == "GET /next");
}

TEST_CASE("a handler that throws is answered for with 500, and told of") {
  Server server(any_port());
  Client client(server.port());
  const Reply reply = client.ask(get("/throw"));
  CHECK(reply.status == 500);
  CHECK(error_code(reply) == "internal");
  CHECK(reply.body.find("broke") == std::string::npos);
  CHECK(server.notes.find("trouble").find("GET \"/throw\": failed: the handler broke") != std::string::npos);
  CHECK(client.ask(get("/next")).body == "GET /next");
}

TEST_CASE("a header field of a reply cannot smuggle in another one") {
  Server server(any_port());
  Client client(server.port());
  const Reply reply = client.ask(get("/split"));
  CHECK(reply.status == 500);
  CHECK_FALSE(reply.headers.contains("Set-Cookie"));
}

TEST_CASE("path and query come decoded") {
  Server server(any_port());
  Client client(server.port());
  CHECK(client.ask(get("/a%20b/%C3%A4?name=x%26y&name=+&flag")).body ==
        "GET /a b/\xC3\xA4 [name=x&y] [name=+] [flag=]");
}

TEST_CASE("an absolute target is understood, and names the host") {
  Server server(any_port());
  Client client(server.port());
  CHECK(client.ask("GET http://evil.example:80/host HTTP/1.1\r\nHost: localhost\r\n\r\n").body == "evil.example:80");
}
