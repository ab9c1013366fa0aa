// SPDX-License-Identifier: Apache-2.0
// Samples, and turns: whatever is compared is measured by turns within one run.
#pragma once

#include <functional>
#include <map>
#include <random>

#include "actors.hpp"

namespace bench {

using Samples = std::map<std::string, std::vector<double>>;

inline double quantile(std::vector<double> values, double q) {
  if (values.empty()) {
    return 0;
  }
  const auto index = std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
  return values[index];
}

inline double median(std::vector<double> values) {
  return quantile(std::move(values), 0.5);
}

constexpr double kShareOfPollers = 0.15;  // of a phase; they take so long that the others would hardly get a turn

/// Calls `measure` for every tool, in an order shuffled in each round, until the time is over.
inline void in_turns(const std::vector<Tool>& tools, double seconds, const std::function<void(const Tool&)>& measure) {
  std::mt19937 random(1);  // NOLINT: the same order in every run is wanted
  std::vector<const Tool*> order;
  for (const auto& tool : tools) {
    order.push_back(&tool);
  }
  std::map<const Tool*, Nanoseconds> spent;
  const auto budget = static_cast<Nanoseconds>(seconds * kSecond);
  for (const auto began = now(); now() - began < budget;) {
    std::shuffle(order.begin(), order.end(), random);
    for (const Tool* tool : order) {
      if (tool->polls && static_cast<double>(spent[tool]) > kShareOfPollers * static_cast<double>(budget)) {
        continue;
      }
      const auto start = now();
      measure(*tool);
      spent[tool] += now() - start;
    }
  }
}

}  // namespace bench
