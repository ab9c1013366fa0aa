// SPDX-License-Identifier: Apache-2.0
// Requests that wait, streams, and the server's stopping.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/http/engine_play.hpp"

using namespace std::chrono_literals;
using lockgate::BootClock;
using lockgate::play::any_port;
using lockgate::play::Client;
using lockgate::play::get;
using lockgate::play::Server;
using lockgate::server::EngineOptions;

TEST_CASE("a parked request is answered when it is woken") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  CHECK(server.parked() == 1);
  server.wake();
  CHECK(client.reply().body == "woken");
  CHECK(server.parked() == 0);
}

TEST_CASE("being woken before it parks counts, once") {
  Server server(any_port());
  Client client(server.port());
  CHECK(client.ask(get("/park?woken=1")).body == "woken");
  CHECK(client.ask(get("/park?ms=20")).body == "time_over");
}

TEST_CASE("a parked request ends when its time is over") {
  Server server(any_port());
  Client client(server.port());
  const auto began = BootClock::now();
  CHECK(client.ask(get("/park?ms=150")).body == "time_over");
  CHECK(BootClock::now() - began >= 150ms);
  CHECK(client.ask(get("/deaf?ms=50")).body == "time_over");
}

TEST_CASE("a parked request notices at once that its client has gone") {
  Server server(any_port());
  for (const char* how : {"close", "reset", "end of sending"}) {
    CAPTURE(how);
    Client client(server.port());
    const std::size_t before = server.notes.count("unparked hung_up");
    client.send(get("/park"));
    REQUIRE(server.notes.wait_for("parking /park", before + 1));
    const auto began = BootClock::now();
    if (how == std::string_view("close")) {
      client.close();
    } else if (how == std::string_view("reset")) {
      client.reset();
    } else {
      client.end_sending();
    }
    CHECK(server.notes.wait_for("unparked hung_up", before + 1));
    CHECK(BootClock::now() - began < 1s);
  }
  CHECK(server.parked() == 0);
}

TEST_CASE("whoever made a reply hears if it was not written") {
  Server server(any_port());
  Client stays(server.port());
  CHECK(stays.ask(get("/any")).status == 200);
  Client goes(server.port());
  goes.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  CHECK(server.notes.count("not heard of") == 0);
  SUBCASE("its client hung up") {
    goes.close();
    CHECK(server.notes.wait_for("unparked hung_up"));
  }
  SUBCASE("its client hung up as it was being woken") {
    server.wake([&] { goes.close(); });
    CHECK(server.notes.wait_for("gone when it was woken"));
    CHECK(server.notes.count("unparked woken") == 1);
  }
  CHECK(server.notes.wait_for("not heard of"));
  Client reads_nothing(server.port());
  reads_nothing.send(get("/big"));
  REQUIRE(reads_nothing.see("HTTP/1.1 200"));
  reads_nothing.reset();
  CHECK(server.notes.wait_for("not heard of", 2));
}

TEST_CASE("a parked request that is woken beside many hang-ups is served") {
  Server server(any_port());
  std::vector<Client> clients;
  for (std::size_t i = 0; i < 50; ++i) {
    clients.emplace_back(server.port()).send(get("/park"));
  }
  REQUIRE(server.notes.wait_for("parking /park", 50));
  Client last(server.port());
  last.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park", 51));
  clients.clear();
  CHECK(server.notes.wait_for("unparked hung_up", 50));
  server.wake();
  CHECK(last.reply().body == "woken");
}

TEST_CASE("a request that is sent while the one before is parked is no hang-up, and is answered after it") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  client.send(get("/next"));
  client.send(get("/after"));
  server.on_loop([] {});
  CHECK(server.parked() == 1);
  server.wake();
  CHECK(client.reply().body == "woken");
  CHECK(client.reply().body == "GET /next");
  CHECK(client.reply().body == "GET /after");
}

TEST_CASE("a client that sends ahead and then goes has gone, however much it sent") {
  Server server(any_port());
  Client little(server.port());
  little.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  little.send(get("/next"));
  little.close();
  CHECK(server.notes.wait_for("unparked hung_up", 1));
  Client much(server.port());
  much.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park", 2));
  much.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'x'));
  server.on_loop([] {});
  CHECK(server.parked() == 1);
  much.reset();
  CHECK(server.notes.wait_for("unparked hung_up", 2));
}

TEST_CASE("much that is sent ahead does not keep the processor busy") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'x'));
  const auto processor_time = [&] {
    timespec time{};
    server.on_loop([&] { ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); });
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto before = processor_time();
  CHECK(Client(server.port()).ask(get("/park?ms=300")).body == "time_over");
  CHECK(processor_time() - before < 100ms);
}

TEST_CASE("urgent bytes neither end nor busy a parked request") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/park"));
  REQUIRE(server.notes.wait_for("parking /park"));
  ::send(client.fd(), "!", 1, MSG_OOB);
  server.on_loop([] {});
  CHECK(server.parked() == 1);
  server.wake();
  CHECK(client.reply().body == "woken");
}

TEST_CASE("a request whose client is not watched is not disturbed by its going") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/deaf"));
  REQUIRE(server.notes.wait_for("parking /deaf"));
  client.reset();
  server.on_loop([] {});
  CHECK(server.notes.count("unparked hung_up") == 0);
  server.wake();
  CHECK(server.notes.wait_for("unparked woken"));
  CHECK(server.notes.wait_for("unwritten 200"));
}

TEST_CASE("a stream sends event after event, and ends when its client goes") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/stream"));
  const auto head = client.reply();
  CHECK(head.status == 200);
  CHECK(head.headers.at("Content-Type") == "text/event-stream");
  CHECK(head.headers.at("Cache-Control") == "no-store");
  CHECK_FALSE(head.headers.contains("Content-Length"));
  CHECK(client.see("data: event\n\n"));
  server.wake();
  CHECK(client.see("data: event\n\n"));
  client.close();
  CHECK(server.notes.wait_for("stream over"));
}

TEST_CASE("a stream that is not read is given up") {
  EngineOptions options = any_port();
  options.limits.write_time = 200ms;
  Server server(options);
  Client client(server.port());
  client.send(get("/flood"));
  CHECK(server.notes.wait_for("stream over"));
}

TEST_CASE("HEAD of a stream is its head alone") {
  Server server(any_port());
  Client client(server.port());
  client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.reply(Client::Body::left_out).status == 200);
  CHECK(client.rest() == "");
}

TEST_CASE("a server that stops unparks everybody, answers, and is done") {
  Server server(any_port());
  Client parked(server.port());
  parked.send(get("/park"));
  Client stream(server.port());
  stream.send(get("/stream"));
  Client idle(server.port());
  CHECK(idle.ask(get("/")).status == 200);
  REQUIRE(server.notes.wait_for("parking /park"));
  REQUIRE(server.notes.wait_for("parking /stream"));
  server.on_loop([&] { server.engine().stop(10s, [&] { server.notes.note("stopped"); }); });
  const auto reply = parked.reply();
  CHECK(reply.body == "stopping");
  CHECK(reply.headers.at("Connection") == "close");
  CHECK(parked.is_closed());
  CHECK(stream.rest());
  CHECK(idle.is_closed());
  parked.close();
  stream.close();
  idle.close();
  CHECK(server.notes.wait_for("stopped"));
  CHECK(server.connections() == 0);
  CHECK(Client(server.port()).fd() < 0);
}

TEST_CASE("a server without connections stops at once") {
  Server server(any_port());
  CHECK(server.stop(1h));
}

TEST_CASE("a server that stops waits for nobody longer than its patience") {
  Server server(any_port());
  Client client(server.port());
  client.send(get("/deaf"));
  REQUIRE(server.notes.wait_for("parking /deaf"));
  CHECK(server.stop(100ms));
}

TEST_CASE("a server that goes with requests parked unwinds their handlers first") {
  int unwound = 0;
  boost::asio::io_context loop;
  EngineOptions options = any_port();
  struct Guard {
    int& count;
    ~Guard() { ++count; }
  };
  options.handler = [&](lockgate::server::Exchange& exchange) -> boost::asio::awaitable<lockgate::server::HttpReply> {
    const Guard guard{unwound};
    loop.stop();
    co_await exchange.park(std::nullopt, true);
    lockgate::server::HttpReply reply;
    co_return reply;
  };
  auto engine = lockgate::server::Engine::listen(loop, std::move(options));
  engine->start();
  const std::string url = engine->urls().front();
  Client client(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  client.send(get("/park"));
  loop.run();
  CHECK(unwound == 0);
  engine.reset();
  CHECK(unwound == 1);
}
