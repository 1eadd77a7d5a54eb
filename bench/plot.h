// A picture of latency distributions: SVG 1.1, alone or in a page, with nothing to load.
#pragma once

#include <span>
#include <string>

#include "core/histogram.h"

namespace portshare {

struct PlotSeries {
  std::string name;
  const Histogram* latency;  ///< in nanoseconds; borrowed
};

struct PlotText {
  std::string title;
  std::string subtitle;
  std::string footer;
};

/// Latency over percentile, the percentiles at -log10(1 - p), as HdrHistogram's plots have them, so that each
/// nine takes the same room. The latency's axis is logarithmic, too. Light and dark by the reader's
/// preference.
[[nodiscard]] std::string svg_plot(const PlotText& text, std::span<const PlotSeries> series);
[[nodiscard]] std::string html_plot(const PlotText& text, std::span<const PlotSeries> series);

}  // namespace portshare
