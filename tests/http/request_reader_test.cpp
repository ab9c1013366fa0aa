// SPDX-License-Identifier: Apache-2.0
// The reader of requests by itself: bytes in, requests or refusals out.
#include "backends/http/server/request_reader.hpp"

#include <doctest/doctest.h>

#include "backends/http/server/request_target.hpp"

using lockgate::server::parse_request_target;
using lockgate::server::Refusal;
using lockgate::server::RequestReader;
using lockgate::server::WholeRequest;

namespace {

/// The body; or "refused STATUS", "needs more".
std::string read(std::string bytes) {
  RequestReader reader({});
  const auto result = reader.read(bytes);
  if (const auto* refusal = std::get_if<Refusal>(&result)) {
    return "refused " + std::to_string(refusal->status);
  }
  const auto* whole = std::get_if<WholeRequest>(&result);
  return whole == nullptr ? "needs more" : "body " + whole->request.body;
}

/// The same, byte by byte.
std::string read_in_pieces(const std::string& bytes) {
  RequestReader reader({});
  std::string input;
  for (const char byte : bytes) {
    input += byte;
    const auto result = reader.read(input);
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      return "refused " + std::to_string(refusal->status);
    }
    if (const auto* whole = std::get_if<WholeRequest>(&result)) {
      return "body " + whole->request.body;
    }
  }
  return "needs more";
}

const std::string kChunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string with(const std::string& lines) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n";
}

}  // namespace

TEST_CASE("a request is the same in one piece and in many") {
  for (const auto& example : {std::pair{with(""), "body "},
                              {with("Content-Length: 3\r\n") + "abc", "body abc"},
                              {with("Content-Length: 3\r\n") + "ab", "needs more"},
                              {"\r\n" + with(""), "body "},
                              {kChunked + "0\r\n\r\n", "body "},
                              {kChunked + "2\r\nab\r\n1 ;x\r\nc\r\n000\r\nT: u\r\n\r\n", "body abc"},
                              {kChunked + "2\r\nabc\r\n", "refused 400"},
                              {kChunked + "2\r\nab\r\n0\r\n\n", "refused 400"},
                              {kChunked + "2\nab\r\n", "refused 400"},
                              {kChunked + "-1\r\n", "refused 400"},
                              {kChunked + "0x1\r\n", "refused 400"},
                              {kChunked + "\r\n", "refused 400"},
                              {kChunked + "fffffffffffffffff\r\n", "refused 400"},
                              {kChunked + "ffffffffffffff\r\n", "refused 413"},
                              {kChunked + std::string(300, '0'), "refused 400"},
                              {kChunked + "0\r\nT: \x01\r\n\r\n", "refused 400"},
                              {"GET / HTTP/1.1\nHost: a\n\n", "refused 400"},
                              {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "refused 400"}}) {
    CAPTURE(example.first);
    CHECK(read(example.first) == example.second);
    CHECK(read_in_pieces(example.first) == example.second);
  }
}

TEST_CASE("what two readers could understand in two ways is refused") {
  for (const char* lines : {"Host: b\r\n",
                            "Host : b\r\n",
                            "Content-Length: 1\r\nContent-Length: 2\r\n",
                            "Content-Length: 1\r\nContent-Length: 1\r\n",
                            "Content-Length: 1, 1\r\n",
                            "Content-Length: +1\r\n",
                            "Content-Length: -1\r\n",
                            "Content-Length: 0x1\r\n",
                            "Content-Length: \r\n",
                            "Content-Length: 99999999999999999999\r\n",
                            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                            "Transfer-Encoding: gzip\r\n",
                            "Transfer-Encoding: gzip, chunked\r\n",
                            "Transfer-Encoding: chunked, chunked\r\n",
                            "Transfer-Encoding: identity\r\n",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: xchunked\r\n",
                            "Authorization: a\r\nAuthorization: b\r\n",
                            "X: a\r\n b\r\n",
                            "X: a\r\n\tb\r\n",
                            "X\r\n",
                            ": x\r\n",
                            "X Y: z\r\n",
                            "X: \x01\r\n",
                            "X: \x7F\r\n"}) {
    CAPTURE(lines);
    CHECK(read(with(lines)) == "refused 400");
    CHECK(read_in_pieces(with(lines)) == "refused 400");
  }
  CHECK(read(with(std::string("X: a\0b\r\n", 8))) == "refused 400");
  CHECK(read("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == "refused 400");
  CHECK(read(with("Expect: a miracle\r\n")) == "refused 417");
}

TEST_CASE("odd request lines and hosts are refused") {
  for (const char* line :
       {"GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /", "GET / HTTP/1.2", "GET / http/1.1", "G\xC3\x84T / HTTP/1.1",
        "GET /\xC3\xA4 HTTP/1.1", "GET * HTTP/1.1", "GET a HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET /#f HTTP/1.1",
        "GET http:// HTTP/1.1", "GET http://u@h/ HTTP/1.1", " GET / HTTP/1.1", "PRI * HTTP/2.0"}) {
    CAPTURE(line);
    CHECK(read(std::string(line) + "\r\nHost: a\r\n\r\n") == "refused 400");
  }
  for (const char* host : {"a b", "a/b", "user@a", "a\\b"}) {
    CAPTURE(host);
    CHECK(read("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") == "refused 400");
  }
}

TEST_CASE("a request takes its own bytes and leaves those of the next one") {
  std::string input = with("Content-Length: 2\r\n") + "abGET /next";
  RequestReader reader({});
  const auto result = reader.read(input);
  REQUIRE(std::holds_alternative<WholeRequest>(result));
  CHECK(input == "GET /next");
  CHECK(std::get<WholeRequest>(result).bytes == with("Content-Length: 2\r\n").size() + 2);
}

TEST_CASE("a trailer is no header field") {
  std::string input = kChunked + "0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n";
  RequestReader reader({});
  const auto result = reader.read(input);
  REQUIRE(std::holds_alternative<WholeRequest>(result));
  CHECK(std::get<WholeRequest>(result).request.authorization.empty());
  CHECK(std::get<WholeRequest>(result).request.host == "a");
  CHECK(read(kChunked + "0\r\n" + std::string(std::size_t{17} * 1024, 'x')) == "refused 400");
  std::string many = kChunked + "0\r\n";
  for (int i = 0; i < 5000; ++i) {
    many += "A: b\r\n";
  }
  CHECK(read(many) == "refused 400");
}

TEST_CASE("limits hold for a head in one piece and in many") {
  std::string fields;
  for (int i = 0; i < 200; ++i) {
    fields += "A: b\r\n";
  }
  CHECK(read(with(fields)) == "refused 431");
  CHECK(read_in_pieces(with("X: " + std::string(std::size_t{16} * 1024, 'x') + "\r\n")) == "refused 431");
  CHECK(read("GET /" + std::string(8191, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n") == "body ");
  CHECK(read("GET /" + std::string(8192, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n") == "refused 414");
  CHECK(read(with("Content-Length: 65536\r\n")) == "needs more");
  CHECK(read(with("Content-Length: 65537\r\n")) == "refused 413");
}

TEST_CASE("whether the connection stays is the client's word") {
  const auto keeps = [](std::string bytes) {
    RequestReader reader({});
    return std::get<WholeRequest>(reader.read(bytes)).keep_alive;
  };
  CHECK(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST_CASE("a target is decoded strictly") {
  for (const char* target : {"/%", "/%2", "/%zz", "/%00", "/%0a", "/%7f", "/%ff", "/%c0%80", "/a b", "/?a=%00", "/?%=1",
                             "", "?a", "a/b", "/a\x01"}) {
    CAPTURE(target);
    CHECK_FALSE(parse_request_target(target));
  }
  const auto target = parse_request_target("/a%2Fb?x=1&&y&=z&x=a=b");
  REQUIRE(target);
  CHECK(target->path == "/a/b");
  CHECK(target->query ==
        std::vector<std::pair<std::string, std::string>>{{"x", "1"}, {"y", ""}, {"", "z"}, {"x", "a=b"}});
  CHECK(parse_request_target("http://h?x")->path == "/");
}
