// SPDX-License-Identifier: Apache-2.0
// A JSON object that came as the body of a request, read member by member. What is missing, of the wrong type or out of
// bounds is a Refusal that names the member.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/lock.hpp"

namespace lockgate::server {

class Body {
 public:
  /// Throws Refusal: 400 for what is no JSON object (with the byte), too deep, or has a key twice.
  explicit Body(std::string_view text);
  Body(Body&&) noexcept;
  Body& operator=(Body&&) = delete;
  ~Body();

  // A member that is null counts as missing. All throw Refusal(422), for a missing one that is needed, a wrong type and
  // what is out of bounds.

  [[nodiscard]] LockName name(std::string_view member = "name") const;
  [[nodiscard]] Mode mode() const;  // "mode"; exclusive by default
  /// One line of text of at most `longest` bytes; empty where it is missing.
  [[nodiscard]] std::string line(std::string_view member, std::size_t longest) const;
  /// The same, but it must be there and not be empty.
  [[nodiscard]] std::string needed_line(std::string_view member, std::size_t longest) const;
  /// Any text of at most `longest` bytes.
  [[nodiscard]] std::optional<std::string> text(std::string_view member, std::size_t longest) const;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view member, std::int64_t least,
                                                   std::int64_t most) const;
  [[nodiscard]] bool flag(std::string_view member) const;
  /// An object within, which lives no longer than this; one without members where it is missing.
  [[nodiscard]] Body object(std::string_view member) const;
  [[nodiscard]] Body needed_object(std::string_view member) const;

 private:
  explicit Body(const nlohmann::json* object);
  /// Null where it is missing.
  [[nodiscard]] const nlohmann::json* find(std::string_view member) const;

  std::unique_ptr<nlohmann::json> whole_;  // null: this is an object within another
  const nlohmann::json* object_ = nullptr;
};

}  // namespace lockgate::server
