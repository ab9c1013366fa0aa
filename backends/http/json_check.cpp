// SPDX-License-Identifier: Apache-2.0
#include "backends/http/json_check.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/text.hpp"

namespace lockgate::http {
namespace {

/// Hears of each piece as it is read; false ends the reading.
class Checker final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }

  bool start_object(std::size_t /*members*/) override { return enter(); }
  bool start_array(std::size_t /*elements*/) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    constexpr std::size_t kShown = 64;
    return members_.back().insert(name).second ||
           refuse(0, fmt::format("the member {} comes twice", quote(std::string_view(name).substr(0, kShown))));
  }

  bool parse_error(std::size_t position, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return refuse(position, "this is no JSON");
  }

  [[nodiscard]] std::optional<JsonFlaw> flaw() const { return flaw_; }

 private:
  bool enter() {
    members_.emplace_back();
    return members_.size() <= kMaxJsonDepth || refuse(0, fmt::format("nested more than {} deep", kMaxJsonDepth));
  }
  bool leave() {
    members_.pop_back();
    return true;
  }
  bool refuse(std::size_t offset, std::string what) {
    flaw_ = JsonFlaw{offset, std::move(what)};
    return false;
  }

  std::vector<std::set<std::string>> members_;  // of the objects that are open
  std::optional<JsonFlaw> flaw_;
};

}  // namespace

std::optional<JsonFlaw> find_json_flaw(std::string_view text) {
  Checker checker;
  const bool read = nlohmann::json::sax_parse(text.begin(), text.end(), &checker);
  return read ? std::nullopt : checker.flaw();
}

}  // namespace lockgate::http
