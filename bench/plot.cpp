#include "bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "bench/quantities.h"

namespace portshare {
namespace {

// In SVG user units.
constexpr double width = 960;
constexpr double height = 540;
constexpr double left = 84;
constexpr double right = 932;
constexpr double top = 104;  // with one row of the legend
constexpr double legend_row = 22;
constexpr double bottom = 440;

// Told apart by colour, also with any colour vision (Okabe and Ito), and by dashes, in print. Then they
// repeat.
constexpr std::size_t looks = 5;

constexpr std::string_view style = R"(
  svg { color-scheme: light dark; --paper: #ffffff; --ink: #1c2430; --faint: #5d6878; --grid: #e3e7ec; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #14181e; --ink: #e8ecf1; --faint: #9aa6b5; --grid: #2a323c; }
  }
  .look0 { stroke: #0072b2; }
  .look1 { stroke: #d55e00; stroke-dasharray: 8 4; }
  .look2 { stroke: #009e73; stroke-dasharray: 2 4; }
  .look3 { stroke: #b8518c; stroke-dasharray: 12 4 2 4; }
  .look4 { stroke: #8a6d00; }
  @media (prefers-color-scheme: dark) {
    .look0 { stroke: #56b4e9; }
    .look1 { stroke: #ff8f4d; }
    .look2 { stroke: #2fcf9f; }
    .look3 { stroke: #f39ac7; }
    .look4 { stroke: #f0d248; }
  }
  .paper { fill: var(--paper); }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 13px;
    fill: var(--faint); }
  .title { font-size: 20px; font-weight: 600; fill: var(--ink); }
  .legend { fill: var(--ink); }
  .grid { stroke: var(--grid); stroke-width: 1; }
  .axis { stroke: var(--faint); stroke-width: 1; }
  .curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
)";

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

struct Point {
  double nines;  // -log10(1 - p)
  double value;  // ns
};

/// The corners of the distribution's steps, up to the largest value, which stands at its own rank.
std::vector<Point> curve_of(const Histogram& histogram) {
  std::vector<Point> points;
  const auto total = static_cast<double>(histogram.count());
  std::uint64_t below = 0;
  histogram.for_each_bucket([&](const Histogram::Bucket& bucket) {
    const auto value = static_cast<double>(std::min(bucket.highest_value, histogram.max()));
    const double nines = -std::log10(1 - static_cast<double>(below) / total);
    points.push_back({nines, value});
    below += bucket.count;
  });
  // The last values have no value above them: they end half a value before the end.
  if (!points.empty()) points.push_back({std::log10(total * 2), static_cast<double>(histogram.max())});
  return points;
}

/// What the axes show: nines from 0, latencies from one mark to another.
struct Scale {
  double ceiling = top;
  double most_nines = 1;
  double least_log = 0;
  double most_log = 1;

  [[nodiscard]] double x(double nines) const { return left + (right - left) * nines / most_nines; }
  [[nodiscard]] double y(double value) const {
    return bottom - (bottom - ceiling) * (std::log10(value) - least_log) / (most_log - least_log);
  }
};

/// 1, 2 and 5 times the powers of ten.
std::vector<double> marks_between(double least, double most) {
  std::vector<double> marks;
  const int last = static_cast<int>(std::floor(std::log10(most)));
  for (int power = static_cast<int>(std::floor(std::log10(least))); power <= last; ++power)
    for (const double factor : {1.0, 2.0, 5.0}) marks.push_back(std::pow(10, power) * factor);
  return marks;
}

Scale scale_for(const std::vector<std::vector<Point>>& curves) {
  double least = 1e18;
  double most = 1;
  Scale scale;
  for (const auto& curve : curves) {
    for (const Point& point : curve) {
      least = std::min(least, std::max(point.value, 1.0));
      most = std::max(most, point.value);
      scale.most_nines = std::max(scale.most_nines, point.nines);
    }
  }
  least = std::min(least, most);
  double lower = least / 2;
  double upper = most * 2;
  for (const double mark : marks_between(least / 10, most * 10)) {
    if (mark <= least) lower = mark;
    if (mark >= most) {
      upper = mark;
      break;
    }
  }
  scale.least_log = std::log10(lower);
  scale.most_log = std::log10(upper);
  return scale;
}

class Drawing {
 public:
  void line(std::string_view classes, double x1, double y1, double x2, double y2) {
    add(R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)", classes, x1, y1, x2, y2);
  }
  void text(std::string_view classes, std::string_view anchor, double x, double y, std::string_view text) {
    add(R"(<text class="{}" text-anchor="{}" x="{:.1f}" y="{:.1f}">{}</text>)", classes, anchor, x, y,
        escape(text));
  }
  template <typename... Arguments>
  void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
    out_ += '\n';
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void draw_axes(Drawing& drawing, const Scale& scale) {
  const double least = std::pow(10, scale.least_log);
  const double most = std::pow(10, scale.most_log);
  // Where decades are many, their own marks are enough.
  const bool is_wide = scale.most_log - scale.least_log > 3.5;
  for (const double mark : marks_between(least, most)) {
    if (mark < least * 0.999 || mark > most * 1.001) continue;
    const double decades = std::log10(mark);
    if (is_wide && std::abs(decades - std::round(decades)) > 0.01) continue;
    drawing.line("grid", left, scale.y(mark), right, scale.y(mark));
    drawing.text("", "end", left - 10, scale.y(mark) + 4.5,
                 mark < 1e3   ? fmt::format("{:.0f} ns", mark)
                 : mark < 1e6 ? fmt::format("{:.0f} µs", mark / 1e3)
                 : mark < 1e9 ? fmt::format("{:.0f} ms", mark / 1e6)
                              : fmt::format("{:.0f} s", mark / 1e9));
  }
  struct PercentileMark {
    double nines;
    std::string label;
  };
  std::vector<PercentileMark> marks{{0, "0 %"}, {-std::log10(0.5), "50 %"}, {1, "90 %"}};
  std::string label = "99";
  for (int nines = 2; nines <= scale.most_nines; ++nines) {
    marks.push_back({static_cast<double>(nines), label + " %"});
    label += nines == 2 ? ".9" : "9";
  }
  for (const PercentileMark& mark : marks) {
    if (mark.nines > scale.most_nines) continue;
    drawing.line("grid", scale.x(mark.nines), scale.ceiling, scale.x(mark.nines), bottom);
    drawing.text("", "middle", scale.x(mark.nines), bottom + 22, mark.label);
  }
  drawing.line("axis", left, bottom, right, bottom);
  drawing.text("", "middle", (left + right) / 2, bottom + 44, "percentile");
}

void draw_curve(Drawing& drawing, const Scale& scale, const std::vector<Point>& curve, std::size_t index) {
  if (curve.empty()) return;
  std::string path;
  double last_y = 0;
  for (const Point& point : curve) {
    const double x = scale.x(point.nines);
    const double y = scale.y(std::max(point.value, 1.0));
    // A step: level up to this rank, then up to its value.
    if (path.empty())
      fmt::format_to(std::back_inserter(path), "M{:.1f} {:.1f}", x, y);
    else
      fmt::format_to(std::back_inserter(path), "L{:.1f} {:.1f}L{:.1f} {:.1f}", x, last_y, x, y);
    last_y = y;
  }
  drawing.add(R"(<path class="curve look{}" d="{}"/>)", index % looks, path);
}

/// An entry of the legend and where it stands, row by row.
struct LegendEntry {
  std::string text;
  double x;
  double y;
};

std::vector<LegendEntry> lay_out_legend(std::span<const PlotSeries> series) {
  constexpr double sample_width = 36;
  constexpr double character_width = 6.9;  // about, of the font at its size
  constexpr double gap = 24;
  std::vector<LegendEntry> entries;
  double x = left;
  double y = top - legend_row;
  for (const PlotSeries& each : series) {
    const Histogram& histogram = *each.latency;
    const auto quantile = [&](double share) {
      return format_duration(static_cast<double>(histogram.quantile(share)));
    };
    const std::string text = histogram.count() == 0 ? each.name + ": nothing measured"
                                                    : fmt::format("{}: median {}, p99 {}", each.name,
                                                                  quantile(0.5), quantile(0.99));
    const double entry_width = sample_width + character_width * static_cast<double>(text.size());
    if (x > left && x + entry_width > right) {
      x = left;
      y += legend_row;
    }
    entries.push_back({text, x, y});
    x += entry_width + gap;
  }
  return entries;
}

void draw_legend(Drawing& drawing, const std::vector<LegendEntry>& entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [text, x, y] = entries[i];
    drawing.line(fmt::format("curve look{}", i % looks), x, y - 4, x + 28, y - 4);
    drawing.text("legend", "start", x + 36, y, text);
  }
}

}  // namespace

std::string svg_plot(const PlotText& text, std::span<const PlotSeries> series) {
  std::vector<std::vector<Point>> curves;
  for (const PlotSeries& each : series) curves.push_back(curve_of(*each.latency));
  const std::vector<LegendEntry> legend = lay_out_legend(series);
  Scale scale = scale_for(curves);
  if (!legend.empty()) scale.ceiling = legend.back().y + legend_row;

  Drawing drawing;
  drawing.add(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img">)",
      width, height);
  drawing.add("<title>{}</title>\n<style>{}</style>", escape(text.title), style);
  drawing.add(R"(<rect class="paper" width="{}" height="{}"/>)", width, height);
  drawing.text("title", "start", left, 34, text.title);
  drawing.text("", "start", left, 57, text.subtitle);
  draw_axes(drawing, scale);
  for (std::size_t i = 0; i < curves.size(); ++i) draw_curve(drawing, scale, curves[i], i);
  draw_legend(drawing, legend);
  drawing.text("", "start", left, height - 20, text.footer);
  drawing.add("</svg>");
  return drawing.take();
}

std::string html_plot(const PlotText& text, std::span<const PlotSeries> series) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n"
      "<style>:root {{ color-scheme: light dark; }} body {{ margin: 0; display: grid; place-items: center; "
      "min-height: 100vh; background: #fff; }} svg {{ width: min(100vw, 1200px); height: auto; }} "
      "@media (prefers-color-scheme: dark) {{ body {{ background: #14181e; }} "
      "}}</style>\n<body>\n{}</body>\n</html>\n",
      escape(text.title), svg_plot(text, series));
}

}  // namespace portshare
