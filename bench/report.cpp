// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>

namespace bench {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : "%.0f", value);
  return text;
}

std::string milliseconds(double us) {
  return number(us / 1000);
}

std::string machine() {
  utsname kernel{};
  uname(&kernel);
  char date[32];
  const time_t time_now = time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&time_now));
  double load = 0;
  getloadavg(&load, 1);
  return std::string(date) + ", " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " cores, Linux " + kernel.release +
         ", load " + number(load) + " at the start";
}

void write_markdown(const std::string& path, const std::string& head, const std::vector<Table>& tables,
                    const std::vector<Memory>& memories, const std::vector<std::string>& notes) {
  std::ofstream out(path);
  out << "# lockgate beside other locking tools\n\n"
      << "Written by `bench/run`. " << head
      << ". All tools take turns in one run; compare ratios, not absolute figures.\n\n"
      << "![The same as bars](results.svg)\n";
  for (const auto& table : tables) {
    out << "\n## " << table.title << "\n\n| tool | median (" << table.unit << ") | "
        << (table.more_is_better ? "best" : "p99") << " (" << table.unit << ") | to flock | samples |\n"
        << "| --- | ---: | ---: | ---: | ---: |\n";
    for (const auto& row : table.rows) {
      out << "| " << row.tool << " | " << number(row.median) << " | " << number(row.p99) << " | " << number(row.ratio)
          << " | " << row.samples << " |\n";
    }
  }
  out << "\n## P12: resident memory\n\n| tool | while it | resident (KiB) | its own (KiB) |\n| --- | --- | ---: | ---: "
         "|\n";
  for (const auto& row : memories) {
    out << "| " << row.tool << " | " << row.doing << " | " << row.resident << " | " << row.own << " |\n";
  }
  out << "\n## Notes\n\n";
  for (const auto& note : notes) {
    out << "- " << note << "\n";
  }
}

void write_picture(const std::string& path, const std::string& head, const std::vector<Table>& tables) {
  constexpr int kLeft = 170, kBar = 200, kRow = 20, kTitle = 34;
  constexpr double kLongest = 2.5;  // times flock; what is longer is cut, and its figure says so
  int height = 40;
  for (const auto& table : tables) {
    height += kTitle + kRow * static_cast<int>(table.rows.size());
  }
  std::ofstream out(path);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"" << height
      << "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
      << "<text x=\"10\" y=\"22\" fill=\"#555\">" << head << "</text>\n";
  int y = 30;
  for (const auto& table : tables) {
    y += kTitle;
    std::string title = table.title;
    std::erase(title, '`');
    out << "<text x=\"10\" y=\"" << y - 8 << "\" font-weight=\"bold\">" << title
        << (table.more_is_better ? " (longer is better)" : " (shorter is better)") << "</text>\n";
    // Where flock ends; below the figures, which stay readable.
    out << "<line x1=\"" << kLeft + kBar << "\" x2=\"" << kLeft + kBar << "\" y1=\"" << y << "\" y2=\""
        << y + kRow * static_cast<int>(table.rows.size()) << "\" stroke=\"#c33\"/>\n";
    for (const auto& row : table.rows) {
      const bool cut = row.ratio > kLongest;
      const bool ours = row.tool.starts_with("lockgate");
      const int width = static_cast<int>(std::min(row.ratio, kLongest) * kBar);
      out << "<text x=\"" << kLeft - 8 << "\" y=\"" << y + 14 << "\" text-anchor=\"end\">" << row.tool << "</text>"
          << "<rect x=\"" << kLeft << "\" y=\"" << y + 3 << "\" width=\"" << std::max(width, 1)
          << "\" height=\"14\" fill=\"" << (ours ? "#2a7" : "#9ab") << "\"/>"
          << "<text x=\"" << kLeft + width + 6 << "\" y=\"" << y + 14
          << "\" fill=\"#333\" stroke=\"#fff\" stroke-width=\"4\" paint-order=\"stroke\">" << (cut ? "&#8230; " : "")
          << number(row.median) << ' ' << table.unit << ", " << number(row.ratio) << "x</text>\n";
      y += kRow;
    }
  }
  out << "</svg>\n";
}

}  // namespace bench
