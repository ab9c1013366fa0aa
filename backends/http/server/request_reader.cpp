// SPDX-License-Identifier: Apache-2.0
// Beast's parser reads the head; the body is taken apart here: the parser of Boost 1.74 stops the program by an
// assertion where the last chunk comes in pieces, and lets trailers through as if they were header fields.
#include "backends/http/server/request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "backends/http/server/request_target.hpp"

namespace lockgate::server {
namespace {

namespace http = boost::beast::http;

using Text = boost::beast::string_view;
using boost::beast::error_code;

constexpr std::size_t kMaxFields = 128;
constexpr std::size_t kRestOfRequestLine = 64;  // method, version and two spaces
constexpr std::size_t kMaxChunkLine = 256;
constexpr Refusal kTooManyHeaders{431, "too_large", "the header of the request is too large"};
constexpr Refusal kTargetTooLong{414, "too_large", "the target of the request is too long"};
constexpr Refusal kBodyTooLarge{413, "too_large", "the body of the request is too large"};
constexpr Refusal kBadChunk{400, "bad_request", "the chunks of the body are malformed"};

constexpr Refusal bad(std::string_view message) {
  return {400, "bad_request", message};
}

std::string_view view(Text text) {
  return {text.data(), text.size()};
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Of the head's fields, those that are asked for here. The texts are those of the head itself.
class HeadParser final : public http::basic_parser<true> {
 public:
  struct Field {
    http::field name;
    Text value = {};
    int count = 0;  // how often it stands there; the value is the first
  };

  Text method;
  Text target;
  int version = 11;
  Field host{http::field::host};
  Field content_length_field{http::field::content_length};
  Field transfer_encoding{http::field::transfer_encoding};
  Field authorization{http::field::authorization};
  Field origin{http::field::origin};
  Field expect{http::field::expect};
  Field accept{http::field::accept};
  Field user_agent{http::field::user_agent};
  Field last_event_id{http::field::unknown};

 private:
  Field* find(http::field name, Text text) {
    if (name == http::field::unknown) {
      return boost::beast::iequals(text, "Last-Event-ID") ? &last_event_id : nullptr;
    }
    for (Field* field :
         {&host, &content_length_field, &transfer_encoding, &authorization, &origin, &expect, &accept, &user_agent}) {
      if (field->name == name) {
        return field;
      }
    }
    return nullptr;
  }

  void on_request_impl(http::verb /*verb*/, Text verb_text, Text target_text, int its_version,
                       error_code& /*error*/) override {
    method = verb_text;
    target = target_text;
    version = its_version;
  }
  void on_field_impl(http::field name, Text name_text, Text value, error_code& /*error*/) override {
    if (Field* const field = find(name, name_text); field != nullptr && field->count++ == 0) {
      field->value = value;
    }
  }
  // The rest is never called: of a request, or with a body, which is not read here.
  void on_response_impl(int /*code*/, Text /*reason*/, int /*version*/, error_code& /*error*/) override {}
  void on_header_impl(error_code& /*error*/) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/, error_code& /*error*/) override {}
  std::size_t on_body_impl(Text /*body*/, error_code& /*error*/) override { return 0; }
  void on_chunk_header_impl(std::uint64_t /*size*/, Text /*extensions*/, error_code& /*error*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, Text /*body*/, error_code& /*error*/) override { return 0; }
  void on_finish_impl(error_code& /*error*/) override {}
};

/// Fields that mean something else to whoever takes the other one of two.
bool is_given_twice(const HeadParser& head) {
  return head.host.count > 1 || head.content_length_field.count > 1 || head.transfer_encoding.count > 1 ||
         head.authorization.count > 1 || head.origin.count > 1 || head.expect.count > 1;
}

Refusal refusal_for(const error_code& error) {
  if (error == http::error::bad_version) {
    return bad("only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  if (error == http::error::bad_content_length) {
    return bad("the Content-Length is malformed, or comes with another one or with a Transfer-Encoding");
  }
  if (error == http::error::bad_transfer_encoding) {
    return bad("the Transfer-Encoding is malformed, or comes with another one or with a Content-Length");
  }
  return bad("the request line or a header field is malformed");
}

std::optional<Refusal> check_framing(const HeadParser& head) {
  if (is_given_twice(head)) {
    return bad("a header field that may be there once is there twice");
  }
  const bool counted = head.content_length_field.count != 0;
  const bool encoded = head.transfer_encoding.count != 0;
  if (counted && encoded) {
    return bad("Content-Length and Transfer-Encoding exclude each other");
  }
  if (counted && !is_number(view(head.content_length_field.value))) {
    return bad("the Content-Length is no number");
  }
  if (encoded && (head.version < 11 || !boost::beast::iequals(head.transfer_encoding.value, "chunked"))) {
    return bad("of the transfer encodings only chunked is understood, in HTTP/1.1");
  }
  return std::nullopt;
}

std::optional<Refusal> check_meaning(const HeadParser& head) {
  if (head.version >= 11 && head.host.count == 0) {
    return bad("the Host header field is missing");
  }
  if (!is_host(view(head.host.value))) {
    return bad("the Host header field is no name or address");
  }
  if (head.expect.count != 0 && !boost::beast::iequals(head.expect.value, "100-continue")) {
    return Refusal{417, "bad_request", "of the expectations only 100-continue is understood"};
  }
  return std::nullopt;
}

/// The size that begins a line of a chunk; nothing where it is none.
std::optional<std::uint64_t> chunk_size(std::string_view line) {
  const std::size_t digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
  // After it may come extensions, which nobody uses: they are skipped.
  const std::size_t after = std::min(line.find_first_not_of(" \t", digits), line.size());
  if (digits == 0 || digits > 15 || (after < line.size() && line[after] != ';')) {
    return std::nullopt;
  }
  return std::stoull(std::string(line.substr(0, digits)), nullptr, 16);
}

bool has_control(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

struct Line {
  enum class State { whole, partial, bad } state = State::partial;
  std::string_view text;  // without CRLF
};

/// Takes a line that ends in CRLF off the front of `rest`.
Line take_line(std::string_view& rest, std::size_t limit) {
  const std::size_t end = rest.find('\n');
  const std::string_view seen = rest.substr(0, end);
  if (seen.size() > limit) {
    return {Line::State::bad, {}};
  }
  if (end == std::string_view::npos) {
    return {};
  }
  if (!seen.ends_with('\r') || has_control(seen.substr(0, seen.size() - 1))) {
    return {Line::State::bad, {}};
  }
  rest.remove_prefix(end + 1);
  return {Line::State::whole, seen.substr(0, seen.size() - 1)};
}

}  // namespace

std::variant<NeedsMore, WholeRequest, Refusal> RequestReader::read(std::string& input) {
  if (state_ == State::head) {
    const Verdict verdict = read_head(input);
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      return *refusal;
    }
    if (state_ == State::head) {
      return NeedsMore{};
    }
  }
  std::string_view rest = input;
  for (std::size_t before = rest.size() + 1; state_ != State::whole && !rest.empty() && rest.size() != before;) {
    before = rest.size();
    const Verdict verdict = step(rest);
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      return *refusal;
    }
  }
  const std::size_t taken = input.size() - rest.size();
  result_.bytes += taken;
  input.erase(0, taken);
  waits_for_continue_ = waits_for_continue_ && state_ != State::whole && taken == 0 && input.empty();
  if (state_ != State::whole) {
    return NeedsMore{};
  }
  return std::move(result_);
}

RequestReader::Verdict RequestReader::read_head(std::string& input) {
  // An empty line before the request is forgiven: old clients end a body with one too many.
  const bool first = scanned_ == 0 && result_.bytes == 0;
  if (first && input.starts_with("\r\n")) {
    input.erase(0, 2);
    result_.bytes += 2;
  }
  if (first && input == "\r") {
    return {};
  }
  Verdict verdict = scan_head(input);
  if (std::holds_alternative<Refusal>(verdict) || head_size_ == 0) {
    return verdict;
  }
  verdict = parse_head(std::string_view(input).substr(0, head_size_));
  result_.bytes += head_size_;
  input.erase(0, head_size_);
  return verdict;
}

/// Looks for the end of the head, at each byte once. Refuses as soon as it can be told that it is none.
RequestReader::Verdict RequestReader::scan_head(const std::string& input) {
  for (; scanned_ < input.size() && head_size_ == 0; ++scanned_) {
    const auto byte = static_cast<unsigned char>(input[scanned_]);
    if (scanned_ >= limits_.headers) {
      return kTooManyHeaders;
    }
    if (lines_ == 0 && scanned_ > limits_.target + kRestOfRequestLine) {
      return kTargetTooLong;
    }
    const bool after_cr = scanned_ > line_start_ && input[scanned_ - 1] == '\r';
    if (after_cr != (byte == '\n')) {
      return bad("a line of the header does not end in CR and LF");
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7F) {
      return scanned_ == 0 ? bad("this is no HTTP; TLS is not spoken here")
                           : bad("the header has a control character in it");
    }
    if (scanned_ == line_start_ && lines_ > 0 && (byte == ' ' || byte == '\t')) {
      return bad("a header field goes on in a second line");
    }
    if (byte == '\n') {
      const Verdict verdict = check_line(input, scanned_ + 1);
      if (std::holds_alternative<Refusal>(verdict)) {
        return verdict;
      }
    }
  }
  return {};
}

RequestReader::Verdict RequestReader::check_line(const std::string& input, std::size_t end) {
  const std::string_view line = std::string_view(input).substr(line_start_, end - line_start_ - 2);
  if (line.empty()) {
    head_size_ = end;
  }
  if (lines_ == 0) {
    const std::size_t target = std::min(line.find(' '), line.size());
    const std::size_t target_end = std::min(line.find(' ', std::min(target + 1, line.size())), line.size());
    if (target_end - target > limits_.target + 1) {
      return kTargetTooLong;
    }
  }
  line_start_ = end;
  if (++lines_ > kMaxFields + 2) {
    return kTooManyHeaders;
  }
  return {};
}

RequestReader::Verdict RequestReader::parse_head(std::string_view text) {
  HeadParser head;
  head.header_limit(static_cast<std::uint32_t>(text.size() + 1));
  head.body_limit(std::numeric_limits<std::uint64_t>::max());  // none at all would mean 0 to Boost 1.74
  error_code error;
  head.put(boost::asio::buffer(text.data(), text.size()), error);
  if (error || !head.is_header_done()) {
    return refusal_for(error);
  }
  for (const auto check : {check_framing, check_meaning}) {
    if (const auto flaw = check(head)) {
      return *flaw;
    }
  }
  auto target = parse_request_target(view(head.target));
  if (!target) {
    return bad("the target of the request is no path, or is wrongly percent-encoded");
  }
  HttpRequest& request = result_.request;
  request.method = view(head.method);
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  request.host = target->authority.empty() ? std::string(view(head.host.value)) : std::move(target->authority);
  request.authorization = view(head.authorization.value);
  request.origin = view(head.origin.value);
  request.accept = view(head.accept.value);
  request.user_agent = view(head.user_agent.value);
  request.last_event_id = view(head.last_event_id.value);
  result_.minor_version = head.version >= 11 ? 1 : 0;
  result_.keep_alive = head.keep_alive();

  body_left_ = head.content_length().value_or(0);
  if (body_left_ > limits_.body) {
    return kBodyTooLarge;
  }
  state_ = head.chunked() ? State::chunk_line : body_left_ > 0 ? State::counted_body : State::whole;
  waits_for_continue_ = head.expect.count != 0 && result_.minor_version >= 1;
  return {};
}

RequestReader::Verdict RequestReader::step(std::string_view& rest) {
  switch (state_) {
    case State::counted_body:
    case State::chunk_data:
      take_body(rest);
      if (body_left_ == 0) {
        state_ = state_ == State::counted_body ? State::whole : State::chunk_end;
      }
      return {};
    case State::chunk_end: {
      const Line line = take_line(rest, 1);
      if (line.state == Line::State::bad || !line.text.empty()) {
        return kBadChunk;
      }
      state_ = line.state == Line::State::whole ? State::chunk_line : state_;
      return {};
    }
    case State::chunk_line:
      return read_chunk_line(rest);
    case State::trailer:
      return read_trailer(rest);
    case State::head:
    case State::whole:
      break;
  }
  return {};
}

void RequestReader::take_body(std::string_view& rest) {
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, rest.size()));
  result_.request.body.append(rest.substr(0, size));
  rest.remove_prefix(size);
  body_left_ -= size;
}

RequestReader::Verdict RequestReader::read_chunk_line(std::string_view& rest) {
  const Line line = take_line(rest, kMaxChunkLine);
  if (line.state == Line::State::partial) {
    return {};
  }
  const auto size = line.state == Line::State::whole ? chunk_size(line.text) : std::nullopt;
  if (!size) {
    return kBadChunk;
  }
  if (*size > limits_.body - result_.request.body.size()) {
    return kBodyTooLarge;
  }
  body_left_ = *size;
  state_ = *size == 0 ? State::trailer : State::chunk_data;
  return {};
}

/// Trailer fields are read over: a field that comes after the body was not there when the request was judged.
RequestReader::Verdict RequestReader::read_trailer(std::string_view& rest) {
  const std::size_t before = rest.size();
  const Line line = take_line(rest, limits_.headers);
  trailer_bytes_ += before - rest.size();
  if (line.state == Line::State::bad || trailer_bytes_ > limits_.headers) {
    return kBadChunk;
  }
  if (line.state == Line::State::whole && line.text.empty()) {
    state_ = State::whole;
  }
  return {};
}

}  // namespace lockgate::server
