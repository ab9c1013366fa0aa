// SPDX-License-Identifier: Apache-2.0
// What was measured, as a page and as a picture.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Row {
  std::string tool;
  double median = 0, p99 = 0, ratio = 0;
  std::size_t samples = 0;
};

struct Table {
  std::string title, unit;
  bool more_is_better = false;
  std::vector<Row> rows;
};

struct Memory {
  std::string tool, doing;
  long resident = 0, own = 0;  // KiB; own: not shared with any other process
};

/// Short: two decimals below ten, none above.
std::string number(double value);
std::string milliseconds(double us);

/// The day and the machine in one line.
std::string machine();

void write_markdown(const std::string& path, const std::string& head, const std::vector<Table>& tables,
                    const std::vector<Memory>& memories, const std::vector<std::string>& notes);
/// Bars, in SVG.
void write_picture(const std::string& path, const std::string& head, const std::vector<Table>& tables);

}  // namespace bench
