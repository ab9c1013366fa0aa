// SPDX-License-Identifier: Apache-2.0
// Leases of one lock (its holds, or the places in its queue) in the order in which they came, each found by its key
// and by its end without looking through the others: a lock may have ten thousand of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/lock.hpp"

namespace lockgate {

/// A moment on the clock by which the store counts, whichever that is: since its epoch.
using StoreTime = Duration;

/// The end of what does not end by itself.
constexpr StoreTime kNever = StoreTime::max();

/// A plain value. `Item` has `key()`, unique in the list, which never changes, `mode` and `expires`.
template <class Item>
class LeaseList {
 public:
  /// Where an item stands: greater than those of all that came before.
  using Place = std::uint64_t;

  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  /// All of them, oldest first.
  [[nodiscard]] const std::map<Place, Item>& in_order() const { return items_; }
  /// The oldest; there must be one.
  [[nodiscard]] const Item& front() const { return items_.begin()->second; }

  /// Null: there is none.
  [[nodiscard]] const Item* find(const std::string& key) const {
    const auto place = places_.find(key);
    return place == places_.end() ? nullptr : &items_.at(place->second);
  }

  /// At the end. Its key must be new.
  const Item& add(Item item) {
    const Place place = next_++;
    places_.emplace(item.key(), place);
    const Item& added = items_.emplace(place, std::move(item)).first->second;
    count_in(place, added);
    return added;
  }

  /// Out of the list; empty: there was none.
  std::optional<Item> take(const std::string& key) {
    const auto place = places_.find(key);
    return place == places_.end() ? std::nullopt : std::optional<Item>(take_from(place->second));
  }

  /// Lets `change` alter an item, but not its key. Null: there is none.
  template <class Change>
  const Item* alter(const std::string& key, Change change) {
    const auto place = places_.find(key);
    if (place == places_.end()) {
      return nullptr;
    }
    Item& item = items_.at(place->second);
    count_out(place->second, item);
    change(item);
    count_in(place->second, item);
    return &item;
  }

  /// How many came before; all, if there is no such key.
  [[nodiscard]] std::size_t ahead_of(const std::string& key) const {
    const auto found = places_.find(key);
    if (found == places_.end()) {
      return items_.size();
    }
    const Place place = found->second;
    std::size_t ahead = 0;
    auto block = blocks_.begin();
    for (; block->first != place / kBlock; ++block) {
      ahead += block->second.items;
    }
    for (auto item = items_.lower_bound(block->first * kBlock); item->first != place; ++item) {
      ++ahead;
    }
    return ahead;
  }

  /// True if an exclusive one came before; if there is no such key: if there is any.
  [[nodiscard]] bool has_exclusive_before(const std::string& key) const {
    const auto found = places_.find(key);
    const std::optional<Place> first = first_exclusive();
    return first && (found == places_.end() || *first < found->second);
  }

  /// Empty: none of them ends by itself.
  [[nodiscard]] std::optional<StoreTime> next_expiry() const {
    return expiries_.empty() ? std::nullopt : std::optional(expiries_.begin()->first);
  }

  /// Takes out those that end at `now` or have ended before.
  std::vector<Item> take_expired(StoreTime now) {
    std::vector<Item> expired;
    while (!expiries_.empty() && expiries_.begin()->first <= now) {
      expired.push_back(take_from(expiries_.begin()->second));
    }
    return expired;
  }

 private:
  /// Neighbours are counted together, so that nobody's position is found by counting all that stand before.
  static constexpr Place kBlock = 128;
  struct Block {
    std::size_t items = 0;
    std::size_t exclusive = 0;
  };

  [[nodiscard]] std::optional<Place> first_exclusive() const {
    for (const auto& [number, block] : blocks_) {
      if (block.exclusive == 0) {
        continue;
      }
      auto item = items_.lower_bound(number * kBlock);
      while (item->second.mode != Mode::exclusive) {
        ++item;
      }
      return item->first;
    }
    return std::nullopt;
  }

  void count_in(Place place, const Item& item) {
    Block& block = blocks_[place / kBlock];
    ++block.items;
    block.exclusive += item.mode == Mode::exclusive ? 1 : 0;
    if (item.expires != kNever) {
      expiries_.emplace(item.expires, place);
    }
  }

  void count_out(Place place, const Item& item) {
    const auto block = blocks_.find(place / kBlock);
    block->second.exclusive -= item.mode == Mode::exclusive ? 1 : 0;
    if (--block->second.items == 0) {
      blocks_.erase(block);
    }
    expiries_.erase({item.expires, place});
  }

  Item take_from(Place place) {
    auto node = items_.extract(place);
    count_out(place, node.mapped());
    places_.erase(node.mapped().key());
    return std::move(node.mapped());
  }

  std::map<Place, Item> items_;
  std::unordered_map<std::string, Place> places_;   // by key
  std::set<std::pair<StoreTime, Place>> expiries_;  // of those that end by themselves
  std::map<Place, Block> blocks_;                   // by place / kBlock; none is empty
  Place next_ = 0;
};

}  // namespace lockgate
