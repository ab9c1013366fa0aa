// SPDX-License-Identifier: Apache-2.0
#include "backends/json_check.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace lockgate {
namespace {

/// Builds nothing: remembers only where it is.
class Check {
 public:
  Check(std::string_view text, std::size_t max_depth) : text_(text), max_depth_(max_depth) {}

  bool null() { return true; }
  bool boolean(bool /*value*/) { return true; }
  bool number_integer(std::int64_t /*value*/) { return true; }
  bool number_unsigned(std::uint64_t /*value*/) { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) { return true; }
  bool string(std::string& /*value*/) { return true; }
  bool binary(nlohmann::json::binary_t& /*value*/) { return true; }
  bool start_object(std::size_t /*elements*/) { return open(); }
  bool end_object() { return close(); }
  bool start_array(std::size_t /*elements*/) { return open(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    auto& keys = open_.back();
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) {
      return fail("the key \"" + name.substr(0, 64) + "\" stands there twice");
    }
    keys.push_back(std::move(name));
    return keys.size() <= kMostKeys || fail("too many keys in one object");
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::json::exception& /*error*/) {
    if (!flaw) {
      // It counts the bytes that it has read, the one that it did not want among them.
      const std::size_t offset = position > 0 ? position - 1 : 0;
      flaw = offset >= text_.size() ? JsonFlaw{text_.size(), "it ends too early"}
                                    : JsonFlaw{offset, "something that cannot stand there"};
    }
    return false;
  }

  std::optional<JsonFlaw> flaw;

 private:
  static constexpr std::size_t kMostKeys = 1000;  // each is compared with those before it

  bool open() {
    open_.emplace_back();
    return open_.size() <= max_depth_ || fail("it is nested too deep");
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool fail(std::string what) {
    flaw = JsonFlaw{0, std::move(what)};
    return false;
  }

  std::string_view text_;
  std::size_t max_depth_;
  std::vector<std::vector<std::string>> open_;
};

}  // namespace

std::optional<JsonFlaw> find_json_flaw(std::string_view text, std::size_t max_depth) {
  Check check(text, max_depth);
  const bool good = nlohmann::json::sax_parse(text.begin(), text.end(), &check);
  return good ? std::nullopt : check.flaw ? check.flaw : JsonFlaw{0, "it cannot be read"};
}

}  // namespace lockgate
