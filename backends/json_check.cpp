// SPDX-License-Identifier: Apache-2.0
#include "backends/json_check.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace lockgate {
namespace {

using Json = nlohmann::json;

/// Hears of each piece in turn, and puts it where it belongs.
class Builder {
 public:
  Builder(std::string_view text, std::size_t max_depth, Json& root) : text_(text), max_depth_(max_depth), root_(root) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) { return put(value); }
  bool number_float(double value, const std::string& /*text*/) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // there is none in text
  bool start_object(std::size_t /*elements*/) { return open(Json::value_t::object); }
  bool start_array(std::size_t /*elements*/) { return open(Json::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    const auto [place, is_new] = open_.back()->get_ref<Json::object_t&>().try_emplace(std::move(name));
    member_ = &place->second;
    return is_new || fail("the key \"" + place->first.substr(0, 64) + "\" stands there twice");
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
  Json& place() { return open_.empty() ? root_ : open_.back()->is_array() ? open_.back()->emplace_back() : *member_; }
  template <typename Value>
  bool put(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }
  bool open(Json::value_t kind) {
    Json& opened = place();
    opened = kind;
    open_.push_back(&opened);
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
  Json& root_;
  std::vector<Json*> open_;  // from the outermost to where we are; none moves while it is open
  Json* member_ = nullptr;   // whose value comes next, in an object
};

}  // namespace

std::optional<JsonFlaw> read_json(std::string_view text, std::size_t max_depth, nlohmann::json& json) {
  Builder builder(text, max_depth, json);
  const bool good = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return good ? std::nullopt : builder.flaw ? builder.flaw : JsonFlaw{0, "it cannot be read"};
}

std::optional<JsonFlaw> find_json_flaw(std::string_view text, std::size_t max_depth) {
  nlohmann::json ignored;
  return read_json(text, max_depth, ignored);
}

}  // namespace lockgate
