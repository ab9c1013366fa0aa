// SPDX-License-Identifier: Apache-2.0
#include "backends/http_client/http_client.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "backends/http_client/http_url.hpp"
#include "core/unique_fd.hpp"
#include "tests/http/scripted_server.hpp"

using namespace lockgate;
using namespace std::chrono_literals;
using scripted::Received;
using scripted::Reply;
using scripted::Server;

namespace {

/// A directory of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = "/tmp/lockgate-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    // A new file each time, as tools that rotate secrets do it.
    std::ofstream(file("new")) << text;
    ::chmod(file("new").c_str(), mode);
    ::rename(file("new").c_str(), file(name).c_str());
    return file(name);
  }

 private:
  std::string path_;
};

/// Set for all of this program before libcurl starts.
const std::string kKeyLog = [] {
  std::string path = fmt::format("/tmp/lockgate-test-keylog-{}", ::getpid());
  ::setenv("SSLKEYLOGFILE", path.c_str(), 1);
  return path;
}();

Server::Script always(const Reply& reply) {
  return [reply](const Received&) { return reply; };
}

std::unique_ptr<HttpClient> client_of(const Server& server, const std::string& token_file = "") {
  return HttpClient::make({.url = server.url(), .token_file = token_file, .user_agent = "test"});
}

HttpWait within(Duration limit) {
  return {.give_up = BootClock::now() + limit};
}

/// What the call threw.
HttpFailure failure_of(HttpClient& client, const HttpWait& wait = within(5s)) {
  try {
    client.call({.path = "/x"}, wait);
  } catch (const HttpFailure& failure) {
    return failure;
  }
  FAIL("there was an answer");
  return HttpFailure(ExitCode::internal, "");
}

Error error_of_make(const HttpOptions& options) {
  try {
    HttpClient::make(options);
  } catch (const Error& error) {
    return error;
  }
  FAIL("it was made");
  return {ExitCode::internal, ""};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A port at which nobody listens.
int free_port() {
  return Server(always({})).port();
}

}  // namespace

TEST_CASE("a request arrives as it was meant, and the answer comes back") {
  Server server(always(scripted::json(200, R"({"a":1})", "Retry-After: 7\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")));
  const auto client = client_of(server);
  const BootTime before = BootClock::now();
  const HttpAnswer answer = client->call({.method = "POST", .path = "/v1/acquire", .body = "{}"}, within(5s));
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"a":1})");
  CHECK(answer.content_type == "application/json");
  CHECK(answer.retry_after == "7");
  CHECK(answer.sent >= before);
  CHECK(client->clock_offset().value_or(0s) < -24h * 365 * 20);
  const Received request = server.received().at(0);
  CHECK(request.method == "POST");
  CHECK(request.path == "/v1/acquire");
  CHECK(request.body == "{}");
  CHECK(request.headers.at("content-type") == "application/json");
  CHECK(request.headers.at("user-agent") == "test");
  CHECK(request.headers.count("accept-encoding") == 0);
  CHECK(request.headers.count("expect") == 0);
  CHECK(request.headers.count("authorization") == 0);
}

TEST_CASE("one connection serves one call after another") {
  Server server(always(scripted::json(200, "{}")));
  const auto client = client_of(server);
  client->call({.method = "POST", .path = "/a", .body = "{}"}, within(5s));
  client->call({.path = "/b"}, within(5s));
  const auto requests = server.received();
  CHECK(requests.at(0).connection == requests.at(1).connection);
  CHECK(requests.at(1).method == "GET");
  CHECK(requests.at(1).body.empty());
}

TEST_CASE("a UNIX socket is spoken to like any other server") {
  const Folder folder;
  Server server(always(scripted::json(200, "{}")), folder.file("socket"));
  const Folder secrets;
  const auto client = client_of(server, secrets.write("token", "secret\n"));
  CHECK(client->call({.path = "/a"}, within(5s)).status == 200);
  CHECK(client->url() == "unix:" + folder.file("socket"));
  CHECK(server.received().at(0).headers.at("authorization") == "Bearer secret");
}

TEST_CASE("a redirect is an answer like others and is not followed") {
  Server elsewhere(always(scripted::json(200, "{}")));
  Server server(always(scripted::json(302, "", "Location: " + elsewhere.url() + "/x\r\n")));
  const HttpAnswer answer = client_of(server)->call({.path = "/x"}, within(5s));
  CHECK(answer.status == 302);
  CHECK(answer.location == elsewhere.url() + "/x");
  CHECK(elsewhere.received().empty());
}

TEST_CASE("no socket of ours is inherited by a command") {
  std::set<int> before;
  for (int fd = 0; fd < 256; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) {
      before.insert(fd);
    }
  }
  Server server(always(scripted::json(200, "{}")));
  const auto client = client_of(server);
  client->call({.path = "/a"}, within(5s));
  for (int fd = 0; fd < 256; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && before.count(fd) == 0) {
      CHECK_MESSAGE((flags & FD_CLOEXEC) != 0, "descriptor ", fd);
    }
  }
}

TEST_CASE("F23: what is too large, compressed or no HTTP is no answer") {
  const auto why = [](const Reply& reply) {
    Server server(always(reply));
    const HttpFailure failure = failure_of(*client_of(server));
    CHECK(failure.code() == ExitCode::not_understood);
    CHECK_FALSE(failure.not_sent);
    return std::string(failure.what());
  };
  const std::string huge(2 << 20, 'x');
  CHECK(has(why(scripted::json(200, huge)), "a body of more than 1048576 bytes"));
  CHECK(has(why({.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + huge + "\r\n0\r\n\r\n"}),
            "a body of more than 1048576 bytes"));
  std::string headers = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i) {
    headers += fmt::format("X-{}: aaaaaaaaaaaaaaaa\r\n", i);
  }
  CHECK(has(why({.bytes = headers + "\r\n"}), "headers of more than 65536 bytes"));
  CHECK(has(why(scripted::json(200, "\x1f\x8b", "Content-Encoding: gzip\r\n")), "compressed"));
  for (const std::string encoding : {"gzip", "deflate", "br", "zstd"}) {
    CHECK(has(why({.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + encoding +
                            ", chunked\r\n\r\n4\r\n\x1f\x8b\x08\x08\r\n0\r\n\r\n"}),
              "compressed"));
  }
  CHECK(has(why(scripted::cut(Reply::Then::close, "SSH-2.0-OpenSSH_9.2\r\n")), "no HTTP"));
}

TEST_CASE("a refused connection is told as that, and nothing was sent") {
  const auto client = HttpClient::make({.url = fmt::format("http://127.0.0.1:{}", free_port())});
  const HttpFailure failure = failure_of(*client);
  CHECK(failure.code() == ExitCode::unavailable);
  CHECK(failure.not_sent);
  CHECK(has(failure.what(), client->url() + ": connection refused"));
  CHECK(has(failure.next_step(), "--url"));
}

TEST_CASE("a name that nobody knows is named") {
  const auto client = HttpClient::make({.url = "http://no-such-host.invalid"});
  const HttpFailure failure = failure_of(*client, within(20s));
  CHECK(failure.code() == ExitCode::unavailable);
  CHECK(failure.not_sent);
}

TEST_CASE("F11: a reset, a close and a half answer are failures after which anything may have happened") {
  for (const Reply& reply :
       {scripted::cut(Reply::Then::reset), scripted::cut(Reply::Then::close),
        scripted::cut(Reply::Then::reset, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\""),
        scripted::cut(Reply::Then::close, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"")}) {
    Server server(always(reply));
    const HttpFailure failure = failure_of(*client_of(server));
    CHECK(failure.code() == ExitCode::unavailable);
    CHECK_FALSE(failure.not_sent);
  }
}

TEST_CASE("F11: an answer of a byte a second ends at the time limit") {
  Server server(
      always({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .before_each_byte = std::chrono::seconds(1)}));
  const BootTime begin = BootClock::now();
  const HttpFailure failure = failure_of(*client_of(server), within(300ms));
  CHECK(BootClock::now() - begin < 2s);
  CHECK(has(failure.what(), "no answer from " + server.url() + " within "));
  CHECK_FALSE(failure.not_sent);
}

TEST_CASE("a call ends when its stop descriptor becomes readable, and the server sees it hang up") {
  Server server(always(scripted::cut(Reply::Then::silent)));
  const auto client = client_of(server);
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  const std::jthread stopper([&] {
    server.wait_for(1);
    ::eventfd_write(stop.get(), 1);
  });
  CHECK_THROWS_AS(client->call({.path = "/x"}, {.stop = stop.get()}), HttpStopped);
  CHECK(server.wait_for_hang_ups(1));
}

TEST_CASE("a call attends to its descriptor and its moments, and ends when that says so") {
  Server server(always(scripted::cut(Reply::Then::silent)));
  const auto client = client_of(server);
  int attended = 0;
  const BootTime begin = BootClock::now();
  const HttpWait wait{.attend_at = [&] { return begin + 50ms * (attended + 1); },
                      .attend = [&] { return ++attended < 3; }};
  CHECK_THROWS_AS(client->call({.path = "/x"}, wait), HttpStopped);
  CHECK(attended == 3);
  CHECK(BootClock::now() - begin >= 150ms);
}

TEST_CASE("a stream hands over its pieces until its reader has enough") {
  Server server(always(
      {.bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\none two", .then = Reply::Then::silent}));
  std::string taken;
  const HttpAnswer answer = client_of(server)->stream({.path = "/e"}, within(5s), [&](std::string_view piece) {
    taken += piece;
    return !has(taken, "two");
  });
  CHECK(taken == "one two");
  CHECK(answer.content_type == "text/event-stream");
}

TEST_CASE("a stream that is refused has its body in the answer") {
  Server server(always(scripted::json(403, "no")));
  const HttpAnswer answer =
      client_of(server)->stream({.path = "/e"}, within(5s), [](std::string_view) { return true; });
  CHECK(answer.status == 403);
  CHECK(answer.body == "no");
}

TEST_CASE("what the reader of a stream throws comes out of the call") {
  Server server(always(scripted::json(200, "data")));
  const auto reader = [](std::string_view) -> bool { throw Error(ExitCode::not_understood, "odd"); };
  const auto client = client_of(server);
  CHECK_THROWS_WITH_AS(client->stream({.path = "/e"}, within(5s), reader), "odd", Error);
}

TEST_CASE("F14: a token that was replaced is taken up, by its file's time or after a 401") {
  const Folder folder;
  const std::string path = folder.write("token", " first \n");
  const auto script = [](const Received& request) {
    return request.headers.at("authorization") == "Bearer first" && request.number > 0 ? scripted::json(401, "{}")
                                                                                       : scripted::json(200, "{}");
  };
  Server server(script);
  const auto client = client_of(server, path);
  CHECK(client->call({.path = "/1"}, within(5s)).status == 200);
  CHECK(client->call({.path = "/2"}, within(5s)).status == 401);  // once, for the file says nothing new
  CHECK(server.received("/2").size() == 1);
  folder.write("token", "second");
  CHECK(client->call({.path = "/3"}, within(5s)).status == 200);
  CHECK(server.received("/3").size() == 1);
  ::unlink(path.c_str());
  CHECK(client->call({.path = "/4"}, within(5s)).status == 200);  // the last one may still be good
}

TEST_CASE("a token goes to no other host unencrypted") {
  const Folder folder;
  const std::string token = folder.write("token", "canary");
  for (const auto* url : {"http://locks.example.com", "http://10.0.0.1:80", "http://localhost.example.com",
                          "http://127.0.0.1.example.com", "http://[fe80::1]"}) {
    const Error error = error_of_make({.url = url, .token_file = token});
    CHECK(error.code() == ExitCode::config);
    CHECK(has(error.what(), "unencrypted"));
    CHECK(has(error.next_step(), "https://"));
    CHECK_FALSE(has(error.what(), "canary"));
  }
  for (const auto* url : {"http://localhost:1", "http://127.8.9.1:1", "http://[::1]:1", "https://locks.example.com"}) {
    CHECK_NOTHROW(HttpClient::make({.url = url, .token_file = token}));
  }
}

TEST_CASE("what is meant for this host passes by any proxy") {
  ::setenv("http_proxy", fmt::format("http://127.0.0.1:{}", free_port()).c_str(), 1);
  Server server(always(scripted::json(200, "{}")));
  CHECK(client_of(server)->call({.path = "/x"}, within(5s)).status == 200);
  const auto lines = HttpClient::make({.url = "http://locks.example.com"})->oddities();
  ::unsetenv("http_proxy");
  REQUIRE(lines.size() == 2);
  CHECK(has(lines.at(0), "not encrypted"));
  CHECK(has(lines.at(1), "http_proxy"));
}

TEST_CASE("a token file that cannot be is refused before anything is sent") {
  const Folder folder;
  const auto refused = [](const std::string& path) {
    return error_of_make({.url = "http://localhost", .token_file = path});
  };
  CHECK(refused(folder.file("none")).code() == ExitCode::config);
  CHECK(has(refused(folder.file("none")).what(), "No such file"));
  CHECK(has(refused("/dev/null").what(), "no regular file"));
  CHECK(has(refused(folder.write("empty", " \n")).what(), "is empty"));
  CHECK(has(refused(folder.write("two", "a\r\nX-Injected: b")).what(), "control characters"));
  CHECK(has(refused(folder.write("long", std::string(5000, 'x'))).what(), "longer than 4096 bytes"));
}

TEST_CASE("a token that others can read is pointed out") {
  const Folder folder;
  const std::string path = folder.write("token", "secret", 0644);
  const auto lines = HttpClient::make({.url = "http://localhost", .token_file = path})->oddities();
  REQUIRE(lines.size() == 1);
  CHECK(has(lines[0], path));
  CHECK(has(lines[0], "0644"));
  ::chmod(path.c_str(), 0600);
  CHECK(HttpClient::make({.url = "http://localhost", .token_file = path})->oddities().empty());
}

TEST_CASE("certificates come in pairs of files that can be read") {
  CHECK(error_of_make({.url = "https://x", .cert_file = "/dev/null"}).code() == ExitCode::config);
  CHECK(has(error_of_make({.url = "https://x", .ca_file = "/none.pem"}).what(), "/none.pem"));
}

TEST_CASE("F26: a server that speaks no TLS is not spoken to without it") {
  Server server(always(scripted::json(200, "{}")));
  const auto client = HttpClient::make({.url = fmt::format("https://127.0.0.1:{}", server.port())});
  const HttpFailure failure = failure_of(*client, within(2s));
  CHECK(failure.code() != ExitCode::done);
  CHECK(failure.not_sent);
  CHECK(server.received().empty());
}

TEST_CASE("the keys of TLS sessions are written to no file, and the variable stays for the command") {
  HttpClient::make({.url = "https://localhost"});
  CHECK(::access(kKeyLog.c_str(), F_OK) != 0);
  CHECK(std::getenv("SSLKEYLOGFILE") == kKeyLog);
}

TEST_CASE("a URL has one spelling") {
  const auto spelled = [](const char* text) { return HttpUrl::parse(text).text(); };
  CHECK(spelled("HTTP://Locks.Example.COM:80/Team/A/") == "http://locks.example.com/Team/A");
  CHECK(spelled("https://x:443") == "https://x");
  CHECK(spelled("https://x:80//") == "https://x:80");
  CHECK(spelled("http://[0:0::1]:55589") == "http://[::1]:55589");
  CHECK(spelled("unix:///run/x.sock") == "unix:/run/x.sock");
}

TEST_CASE("a URL that cannot be is refused, and a password in it is not repeated") {
  for (const auto* text : {"", "locks", "ftp://x", "http:/x", "http://", "http://:80", "http://x:0", "http://x:65536",
                           "http://x:y", "http://x/?a=b", "http://x/#a", "http://x y", "http://[::1", "http://[x]",
                           "http://[::1]80", "http://a,b", "unix:relative", "http://x/\n"}) {
    CHECK_THROWS_AS(HttpUrl::parse(text), Error);
  }
  try {
    HttpUrl::parse("http://user:canary@host");
    FAIL("it was taken");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    CHECK_FALSE(has(error.what(), "canary"));
    CHECK(has(error.next_step(), "--token-file"));
  }
}
