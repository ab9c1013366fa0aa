// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/reply_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <stdexcept>

namespace lockgate::server {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

bool is_equal(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

void check(std::string_view name, std::string_view value) {
  if (name.empty() || name.find_first_of(": \t") != std::string_view::npos || !is_one_line(name) ||
      !is_one_line(value)) {
    throw std::invalid_argument(fmt::format("a header field of the reply is no single line: {}", name.substr(0, 40)));
  }
}

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace

std::string reply_text(const HttpReply& reply, const ReplyForm& form) {
  std::string out;
  out.reserve(256 + reply.body.size());
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, reason(reply.status), form.date);
  bool has_cache_control = false;
  for (const auto& [name, value] : reply.headers) {
    check(name, value);
    has_cache_control = has_cache_control || is_equal(name, "Cache-Control");
    fmt::format_to(to, "{}: {}\r\n", name, value);
  }
  if (!has_cache_control) {
    out += "Cache-Control: no-store\r\n";
  }
  out += "X-Content-Type-Options: nosniff\r\n";
  if (has_body(reply.status)) {
    check("Content-Type", reply.content_type);
    fmt::format_to(to, "Content-Type: {}\r\nContent-Length: {}\r\n", reply.content_type, reply.body.size());
  }
  if (form.after != ReplyForm::After::keep) {
    out += form.after == ReplyForm::After::close ? "Connection: close\r\n" : "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (has_body(reply.status) && form.body == ReplyForm::Body::sent) {
    out += reply.body;
  }
  return out;
}

std::string stream_head(std::string_view content_type, std::string_view date) {
  check("Content-Type", content_type);
  return fmt::format(
      "HTTP/1.1 200 OK\r\nDate: {}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
      "Content-Type: {}\r\nConnection: close\r\n\r\n",
      date, content_type);
}

HttpReply reply_for(const Refusal& refusal) {
  HttpReply reply;
  reply.status = refusal.status;
  reply.body = fmt::format(R"({{"error":{{"code":"{}","message":"{}"}}}})", refusal.code, refusal.message);
  return reply;
}

std::string_view DateText::now() {
  const std::time_t second = std::time(nullptr);
  if (second != second_) {
    second_ = second;
    std::tm parts{};
    gmtime_r(&second, &parts);
    // Not strftime: day and month have English names whatever the locale.
    static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    text_ = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                        kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  }
  return text_;
}

}  // namespace lockgate::server
