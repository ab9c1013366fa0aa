// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/body.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "backends/http/server/refusal.hpp"
#include "backends/json_check.hpp"
#include "core/error.hpp"

namespace lockgate::server {
namespace {

[[noreturn]] void refuse(std::string_view member, const std::string& what) {
  throw Refusal{.status = 422,
                .code = "bad_value",
                .message = fmt::format("\"{}\" {}", member, what),
                .member = std::string(member)};
}

}  // namespace

Body::Body(std::string_view text) : whole_(std::make_unique<nlohmann::json>()), object_(whole_.get()) {
  if (const auto flaw = read_json(text, kMaxJsonDepth, *whole_)) {
    throw Refusal{.status = 400,
                  .code = "bad_json",
                  .message = fmt::format("the body is no JSON: at byte {}, {}", flaw->offset, flaw->what),
                  .hint = "send one JSON object",
                  .offset = flaw->offset};
  }
  if (!whole_->is_object()) {
    throw Refusal{.status = 400,
                  .code = "bad_json",
                  .message = "the body is JSON, but no object",
                  .hint = "send {\"name\": ...}",
                  .offset = 0};
  }
}

Body::Body(const nlohmann::json* object) : object_(object) {
}

Body::Body(Body&&) noexcept = default;
Body::~Body() = default;

const nlohmann::json* Body::find(std::string_view member) const {
  const auto found = object_->find(member);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Body::text(std::string_view member, std::size_t longest) const {
  const auto* const found = find(member);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    refuse(member, "is no text");
  }
  auto text = found->get<std::string>();
  if (text.size() > longest) {
    refuse(member, fmt::format("has {} bytes; it may have at most {}", text.size(), longest));
  }
  return text;
}

std::string Body::line(std::string_view member, std::size_t longest) const {
  auto line = text(member, longest).value_or("");
  if (const auto flaw = find_flaw(line)) {
    refuse(member, fmt::format("has {} at byte {}", flaw->what, flaw->offset));
  }
  return line;
}

std::string Body::needed_line(std::string_view member, std::size_t longest) const {
  if (find(member) == nullptr) {
    refuse(member, "is missing");
  }
  auto found = line(member, longest);
  if (found.empty()) {
    refuse(member, "is empty");
  }
  return found;
}

LockName Body::name(std::string_view member) const {
  const auto* const found = find(member);
  if (found == nullptr || !found->is_string()) {
    refuse(member, found == nullptr ? "is missing" : "is no text");
  }
  try {
    return LockName(found->get<std::string>());
  } catch (const Error& error) {
    throw Refusal{.status = 422,
                  .code = "bad_value",
                  .message = error.what(),
                  .hint = error.next_step(),
                  .member = std::string(member)};
  }
}

Mode Body::mode() const {
  const std::string mode = line("mode", 16);
  if (!mode.empty() && mode != "exclusive" && mode != "shared") {
    refuse("mode", "is neither \"exclusive\" nor \"shared\"");
  }
  return mode == "shared" ? Mode::shared : Mode::exclusive;
}

std::optional<std::int64_t> Body::number(std::string_view member, std::int64_t least, std::int64_t most) const {
  const auto* const found = find(member);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_number_integer()) {
    refuse(member, "is no whole number");
  }
  const bool huge = found->is_number_unsigned() && found->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
  const auto number = huge ? most : found->get<std::int64_t>();
  if (huge || number < least || number > most) {
    refuse(member, fmt::format("is not between {} and {}", least, most));
  }
  return number;
}

bool Body::flag(std::string_view member) const {
  const auto* const found = find(member);
  if (found != nullptr && !found->is_boolean()) {
    refuse(member, "is neither true nor false");
  }
  return found != nullptr && found->get<bool>();
}

Body Body::needed_object(std::string_view member) const {
  if (find(member) == nullptr) {
    refuse(member, "is missing");
  }
  return object(member);
}

Body Body::object(std::string_view member) const {
  const auto* const found = find(member);
  if (found != nullptr && !found->is_object()) {
    refuse(member, "is no object");
  }
  static const auto kEmpty = nlohmann::json::object();
  return Body(found == nullptr ? &kEmpty : found);
}

}  // namespace lockgate::server
