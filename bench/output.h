// Where reports go, and what is said while a load runs.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "bench/load_run.h"
#include "bench/load_settings.h"
#include "bench/plot.h"

namespace portshare {

/// --json, --plot, --progress, --no-progress.
void add_output_options(boost::program_options::options_description& options);

struct OutputSettings {
  std::string json;  ///< a path, "-" for stdout, or empty
  std::string plot;  ///< a path that ends in .html or .svg, or empty
  bool shows_progress = false;
};

[[nodiscard]] std::expected<OutputSettings, std::string> read_output_settings(
    const boost::program_options::variables_map& values);

/// Prints a line per second on stderr, with `label` in front; null if none is wanted.
[[nodiscard]] ProgressObserver progress_printer(const OutputSettings& output, LoadKind kind,
                                                std::string label);

/// Writes the whole text to the file, or to stdout for "-". The error is a sentence.
[[nodiscard]] std::expected<void, std::string> write_text(const std::string& path, const std::string& text);

/// Writes the plot in the form that the file's name asks for.
[[nodiscard]] std::expected<void, std::string> write_plot(const std::string& path, const PlotText& text,
                                                          std::span<const PlotSeries> series);

}  // namespace portshare
