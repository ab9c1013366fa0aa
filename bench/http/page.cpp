// SPDX-License-Identifier: Apache-2.0
#include "page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "../report.hpp"

namespace bench {
namespace {

void write_row(std::ostream& out, const std::vector<std::string>& cells) {
  for (const auto& cell : cells) {
    out << "| " << cell << ' ';
  }
  out << "|\n";
}

void write_sheet(std::ostream& out, const Sheet& sheet) {
  out << "\n## " << sheet.title << "\n\n";
  write_row(out, sheet.columns);
  write_row(out, std::vector<std::string>(sheet.columns.size(), "---"));
  for (const auto& row : sheet.rows) {
    write_row(out, row);
  }
}

/// Where the axes of one plot lie, and what they reach.
class Frame {
 public:
  static constexpr int kWidth = 460, kHeight = 250;

  Frame(int x, int y, const Plot& plot) : x_(x + 60), y_(y + 34) {
    for (const auto& curve : plot.curves) {
      for (const auto& [across, up] : curve.points) {
        most_across_ = std::max(most_across_, std::log10(std::max(across, 1.0)));
        most_up_ = std::max(most_up_, up);
      }
    }
    most_up_ = nice(most_up_);
  }
  [[nodiscard]] double left() const { return x_; }
  [[nodiscard]] double right() const { return x_ + kAcross; }
  [[nodiscard]] double bottom() const { return y_ + kUp; }
  [[nodiscard]] double x(double across) const {
    return x_ + kAcross * std::log10(std::max(across, 1.0)) / std::max(most_across_, 1.0);
  }
  [[nodiscard]] double y(double up) const { return bottom() - kUp * up / most_up_; }
  [[nodiscard]] double most_up() const { return most_up_; }
  [[nodiscard]] int decades() const { return static_cast<int>(std::max(most_across_, 1.0) + 1e-9); }

 private:
  static constexpr double kAcross = 250, kUp = 165;
  static double nice(double value) {
    const double power = std::pow(10, std::floor(std::log10(std::max(value, 1e-9))));
    for (const double step : {1.0, 2.0, 4.0, 8.0}) {
      if (value <= step * power) {
        return step * power;
      }
    }
    return 10 * power;
  }

  double x_, y_;
  double most_across_ = 0, most_up_ = 0;
};

std::string thousands(double value) {
  return value >= 1000 ? number(value / 1000) + "k" : number(value);
}

std::string short_number(double value) {
  auto text = thousands(value);
  if (const auto zeros = text.find(".00"); zeros != std::string::npos) {
    text.erase(zeros, 3);
  }
  return text;
}

void write_axes(std::ostream& out, const Frame& frame, const Plot& plot) {
  for (int i = 0; i <= 4; ++i) {
    const double up = frame.most_up() * i / 4;
    out << "<line x1=\"" << frame.left() << "\" x2=\"" << frame.right() << "\" y1=\"" << frame.y(up) << "\" y2=\""
        << frame.y(up) << "\" stroke=\"#ddd\"/><text x=\"" << frame.left() - 6 << "\" y=\"" << frame.y(up) + 4
        << "\" text-anchor=\"end\" fill=\"#555\">" << short_number(up) << "</text>\n";
  }
  for (int decade = 0; decade <= frame.decades(); ++decade) {
    const double across = std::pow(10, decade);
    out << "<text x=\"" << frame.x(across) << "\" y=\"" << frame.bottom() + 16
        << "\" text-anchor=\"middle\" fill=\"#555\">" << short_number(across) << "</text>\n";
  }
  out << "<text x=\"" << frame.right() << "\" y=\"" << frame.bottom() + 32 << "\" text-anchor=\"end\" fill=\"#555\">"
      << plot.across << "</text>\n";
}

void write_plot(std::ostream& out, int x, int y, const Plot& plot) {
  static constexpr std::array<const char*, 4> kColours = {"#2a7", "#27c", "#c62", "#888"};
  const Frame frame(x, y, plot);
  out << "<text x=\"" << x + 10 << "\" y=\"" << y + 18 << "\" font-weight=\"bold\">" << plot.title << "</text>\n";
  write_axes(out, frame, plot);
  double label = frame.y(frame.most_up()) + 10;
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    out << "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" << colour << "\" points=\"";
    for (const auto& [across, up] : plot.curves[i].points) {
      out << frame.x(across) << ',' << frame.y(up) << ' ';
    }
    out << "\"/>\n";
    for (const auto& [across, up] : plot.curves[i].points) {
      out << "<circle r=\"3\" fill=\"" << colour << "\" cx=\"" << frame.x(across) << "\" cy=\"" << frame.y(up)
          << "\"/>\n";
    }
    out << "<text x=\"" << frame.right() + 10 << "\" y=\"" << label << "\" fill=\"" << colour << "\">"
        << plot.curves[i].name << "</text>\n";
    label += 18;
  }
}

}  // namespace

void Page::judge(std::string target, std::string wanted, std::string measured, bool met) {
  std::printf("%s  %s: wanted %s; %s\n", met ? "met   " : "MISSED", target.c_str(), wanted.c_str(), measured.c_str());
  std::fflush(stdout);
  verdicts.push_back({std::move(target), std::move(wanted), std::move(measured), met});
}

void Page::add(Sheet sheet) {
  std::printf("\n%s\n", sheet.title.c_str());
  std::vector<std::size_t> widths(sheet.columns.size());
  const auto show = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::printf("  %-*s", static_cast<int>(widths[i]), cells[i].c_str());
    }
    std::printf("\n");
  };
  for (std::size_t i = 0; i < widths.size(); ++i) {
    widths[i] = sheet.columns[i].size();
    for (const auto& row : sheet.rows) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  show(sheet.columns);
  std::for_each(sheet.rows.begin(), sheet.rows.end(), show);
  std::fflush(stdout);
  sheets.push_back(std::move(sheet));
}

void write_page(const std::string& path, const std::string& picture, const Page& page) {
  std::ofstream out(path);
  out << "# The lock server beside others\n\nWritten by `bench/run http`. " << page.head
      << ". All take turns in one run; compare ratios, not absolute figures.\n\n![Curves](" << picture << ")\n";
  Sheet targets{"Targets", {"what", "wanted", "measured", "met"}, {}};
  for (const auto& verdict : page.verdicts) {
    targets.rows.push_back({verdict.target, verdict.wanted, verdict.measured, verdict.met ? "yes" : "**no**"});
  }
  write_sheet(out, targets);
  for (const auto& sheet : page.sheets) {
    write_sheet(out, sheet);
  }
  out << "\n## Notes\n\n";
  for (const auto& note : page.notes) {
    out << "- " << note << "\n";
  }
}

void write_plots(const std::string& path, const Page& page) {
  constexpr int kColumns = 3;
  const int rows = (static_cast<int>(page.plots.size()) + kColumns - 1) / kColumns;
  std::ofstream out(path);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << kColumns * Frame::kWidth << "\" height=\""
      << 30 + rows * Frame::kHeight << "\" font-family=\"sans-serif\" font-size=\"12\">\n"
      << "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"10\" y=\"20\" fill=\"#555\">" << page.head
      << "</text>\n";
  for (int i = 0; i < static_cast<int>(page.plots.size()); ++i) {
    write_plot(out, i % kColumns * Frame::kWidth, 30 + i / kColumns * Frame::kHeight,
               page.plots[static_cast<std::size_t>(i)]);
  }
  out << "</svg>\n";
}

}  // namespace bench
