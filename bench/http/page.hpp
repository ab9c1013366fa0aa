// SPDX-License-Identifier: Apache-2.0
// What was measured, as a page of tables with a verdict on each target, and as a picture of curves.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

struct Sheet {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

struct Verdict {
  std::string target, wanted, measured;
  bool met = false;
};

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Plot {
  std::string title, across;  // across: what the horizontal axis counts, in powers of ten
  std::vector<Curve> curves;
};

struct Page {
  std::string head;
  std::vector<Verdict> verdicts;
  std::vector<Sheet> sheets;
  std::vector<Plot> plots;
  std::vector<std::string> notes;

  void judge(std::string target, std::string wanted, std::string measured, bool met);
  /// Also on stdout, as it comes in.
  void add(Sheet sheet);
};

void write_page(const std::string& path, const std::string& picture, const Page& page);
void write_plots(const std::string& path, const Page& page);

}  // namespace bench
