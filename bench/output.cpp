#include "bench/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "bench/quantities.h"
#include "command_line/command_line.h"
#include "platform/terminal.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

std::string text_of(const po::variables_map& values, const char* name) {
  const auto* text = values.contains(name) ? option_value<std::string>(values, name) : nullptr;
  return text ? *text : std::string();
}

}  // namespace

void add_output_options(po::options_description& options) {
  auto add = options.add_options();
  add("json", po::value<std::string>()->value_name("FILE"), "write the results as JSON; '-' is stdout");
  add("plot", po::value<std::string>()->value_name("FILE"),
      "draw the latency distribution: an .html or .svg that stands alone");
  add("progress", po::bool_switch(), "a line per second on stderr, also where that is no terminal");
  add("no-progress", po::bool_switch(), "no such line");
}

std::expected<OutputSettings, std::string> read_output_settings(const po::variables_map& values) {
  OutputSettings output{.json = text_of(values, "json"), .plot = text_of(values, "plot")};
  if (!output.plot.empty() && !output.plot.ends_with(".html") && !output.plot.ends_with(".svg"))
    return std::unexpected(fmt::format("--plot: '{}' ends neither in .html nor in .svg", output.plot));
  output.shows_progress =
      values["progress"].as<bool>() || (!values["no-progress"].as<bool>() && stderr_is_terminal());
  return output;
}

ProgressObserver progress_printer(const OutputSettings& output, LoadKind kind, std::string label) {
  if (!output.shows_progress) return nullptr;
  return [kind, label = std::move(label), last = LoadProgress()](const LoadProgress& now) mutable {
    const double seconds = as_seconds(now.elapsed - last.elapsed);
    std::string rate;
    if (kind == LoadKind::idle)
      rate = fmt::format("{} established", format_count(now.completed));
    else if (kind == LoadKind::bulk)
      rate = format_bytes(static_cast<double>(now.bytes - std::min(last.bytes, now.bytes)) / seconds) + "/s";
    else
      rate = fmt::format(
          "{} {}s per second",
          format_number(static_cast<double>(now.completed - std::min(last.completed, now.completed)) /
                        seconds),
          unit_of(kind));
    fmt::print(stderr, "{}{:.0f} s: {}, {} failed\n", label, as_seconds(now.elapsed), rate,
               format_count(now.failed));
    last = now;
  };
}

std::expected<void, std::string> write_text(const std::string& path, const std::string& text) {
  const bool is_stdout = path == "-";
  std::FILE* file = is_stdout ? stdout : std::fopen(path.c_str(), "wb");
  if (!file) return std::unexpected("cannot write " + path);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool finished = (is_stdout ? std::fflush(file) : std::fclose(file)) == 0;
  if (!written || !finished) return std::unexpected("cannot write all of " + (is_stdout ? "stdout" : path));
  return {};
}

std::expected<void, std::string> write_plot(const std::string& path, const PlotText& text,
                                            std::span<const PlotSeries> series) {
  return write_text(path, path.ends_with(".html") ? html_plot(text, series) : svg_plot(text, series));
}

}  // namespace portshare
