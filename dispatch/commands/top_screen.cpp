#include "dispatch/commands/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/commands/text_table.h"
#include "dispatch/port_owner_text.h"

namespace portshare {
namespace {

using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

constexpr std::size_t longest_history = 300;

enum class Style : std::uint8_t { plain, bold, dim, good, bad, warning, title };

std::string_view sequence_of(Style style) {
  switch (style) {
    case Style::plain:
      return "";
    case Style::bold:
      return "\x1b[1m";
    case Style::dim:
      return "\x1b[2m";
    case Style::good:
      return "\x1b[32m";
    case Style::bad:
      return "\x1b[1;31m";
    case Style::warning:
      return "\x1b[33m";
    case Style::title:
      return "\x1b[7m";
  }
  return "";
}

/// One line, of parts; what does not fit is cut.
class Line {
 public:
  Line& add(std::string_view text, Style style = Style::plain) {
    parts_.emplace_back(text, style);
    return *this;
  }
  Line& cell(std::string_view text, std::size_t width, Align align = Align::left,
             Style style = Style::plain) {
    return add(fitted(text, width, align), style);
  }
  [[nodiscard]] std::size_t width() const {
    std::size_t sum = 0;
    for (const auto& [text, style] : parts_) sum += width_of(text);
    return sum;
  }
  [[nodiscard]] std::string to_string(const TopLayout& layout) const {
    std::string line;
    std::size_t left = layout.columns;
    for (const auto& [text, style] : parts_) {
      const std::string shown = width_of(text) > left ? fitted(text, left) : text;
      left -= width_of(shown);
      const bool is_styled = layout.has_colours && style != Style::plain;
      line += is_styled ? fmt::format("{}{}\x1b[0m", sequence_of(style), shown) : shown;
    }
    if (!layout.has_colours) line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

 private:
  std::vector<std::pair<std::string, Style>> parts_;
};

double number(const Json& json, const char* key) {
  return json[key].get<double>();
}

std::string text_of(const Json& value, std::string_view absent = "-") {
  return value.is_string() ? printable(value.get<std::string>()) : std::string(absent);
}

Style if_any(double value, Style style) {
  return value > 0 ? style : Style::plain;
}

std::string quantiles_text(const Json& quantiles) {
  if (!quantiles.is_object()) return "-";
  return fmt::format("p50 {} p99 {}", latency_text(number(quantiles, "p50")),
                     latency_text(number(quantiles, "p99")));
}

/// How many of the servers may be asked, and whether that is well.
std::pair<std::string, Style> state_of(const Json& backend) {
  if (!backend.contains("servers")) return {"-", Style::dim};
  std::size_t usable = 0;
  const Json& servers = backend["servers"];
  for (const Json& server : servers) {
    if (server["state"] == "up" || server["state"] == "checking") ++usable;
  }
  if (usable == servers.size()) return {fmt::format("{} up", usable), Style::good};
  return {fmt::format("{}/{} up", usable, servers.size()), usable == 0 ? Style::bad : Style::warning};
}

class Drawing {
 public:
  Drawing(const Json& sample, const std::deque<double>& accepted, const TopLayout& layout)
      : sample_(sample), accepted_(accepted), layout_(layout) {}

  std::string draw() {
    head();
    rates();
    plot();
    troubles();
    const std::size_t left = layout_.rows - std::min(layout_.rows, lines_.size());
    // Names and errors side by side get what the backends leave, and a third at least.
    const std::size_t bottom = std::max<std::size_t>(left / 3, 6);
    backends(left > bottom + 2 ? left - bottom - 2 : 1);
    names_and_errors();
    std::string text;
    for (std::size_t i = 0; i < std::min(lines_.size(), layout_.rows); ++i) {
      text += lines_[i].to_string(layout_);
    }
    return text;
  }

 private:
  Line& line() { return lines_.emplace_back(); }

  void head() {
    const Json& program = sample_["program"];
    const auto workers = sample_["workers"].get<std::size_t>();
    Line& head = line();
    head.add(fmt::format("portshare {}", program["version"].get<std::string>()), Style::bold)
        .add(fmt::format("  pid {}  up {}  {} worker{}, {}", program["pid"].get<int>(),
                         age_text(number(program, "uptime_seconds")), workers, workers == 1 ? "" : "s",
                         program["engine"].get<std::string>()));
    if (program["draining"].get<bool>()) head.add("  draining", Style::warning);
    const std::string_view hint = "q quits";
    if (head.width() + hint.size() < layout_.columns) {
      head.add(std::string(layout_.columns - head.width() - hint.size(), ' ')).add(hint, Style::dim);
    }
  }

  void rates() {
    const double failed = number(sample_, "failed_per_second");
    // By rules and limits; the outcome `refused` is a server's.
    const double declined = number(sample_, "refused_per_second");
    line()
        .add("connections ", Style::dim)
        .cell(count_text(number(sample_, "connections")), 7, Align::left, Style::bold)
        .add(" new/s ", Style::dim)
        .cell(rate_text(number(sample_, "accepted_per_second")), 7, Align::left, Style::bold)
        .add(" ended/s ", Style::dim)
        .cell(rate_text(number(sample_, "closed_per_second")), 6)
        .add(" failed/s ", Style::dim)
        .cell(rate_text(failed), 5, Align::left, if_any(failed, Style::bad))
        .add(" declined/s ", Style::dim)
        .add(rate_text(declined), if_any(declined, Style::warning));
    constexpr std::size_t left_width = 29;  // "p50 12.3 ms p99 45.6 ms" fits twice into 80 columns
    line()
        .add("traffic     ", Style::dim)
        .cell(fmt::format("in {}/s  out {}/s", bytes_text(number(sample_, "bytes_in_per_second")),
                          bytes_text(number(sample_, "bytes_out_per_second"))),
              left_width)
        .add(" requests/s ", Style::dim)
        .add(rate_text(number(sample_, "requests_per_second")));
    line()
        .add("connect     ", Style::dim)
        .cell(quantiles_text(sample_["connect"]), left_width)
        .add(" first flight ", Style::dim)
        .add(quantiles_text(sample_["first_flight"]));
  }

  void plot() {
    constexpr std::array<std::string_view, 8> bars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    Line& plot = line();
    plot.add("new/s       ", Style::dim);
    const std::size_t width =
        std::min(accepted_.size(), layout_.columns - std::min(layout_.columns, plot.width()));
    const auto begin = accepted_.end() - static_cast<std::ptrdiff_t>(width);
    const double highest = width == 0 ? 0 : *std::max_element(begin, accepted_.end());
    std::string picture;
    for (auto value = begin; value != accepted_.end(); ++value) {
      const double share = highest > 0 ? *value / highest : 0;
      picture += *value == 0 ? " " : bars[static_cast<std::size_t>(std::lround(share * (bars.size() - 1)))];
    }
    plot.add(picture, Style::good);
  }

  void troubles() {
    if (!sample_["config"]["last_reload_succeeded"].get<bool>()) {
      line().add("! the last reload has failed: see portshare status", Style::bad);
    }
    for (const Json& other : sample_["second_listeners"]) {
      line().add(fmt::format("! another program listens on {}: {}", text_of(other["address"]),
                             text_of(other["holder"])),
                 Style::bad);
    }
  }

  void backends(std::size_t most) {
    constexpr std::size_t fixed = 8 + 8 + 9 + 8 + 11 + 11 + 9;
    const std::size_t name = layout_.columns - std::min(layout_.columns, fixed + 1);
    const std::size_t name_width = std::clamp<std::size_t>(name, 12, 40);
    Line& title = line();
    title.cell("BACKEND", name_width, Align::left, Style::title).cell(" STATE", 9, Align::left, Style::title);
    for (const auto& [text, width] :
         {std::pair{"OPEN", 7}, {"ENDED/s", 9}, {"REQ/s", 8}, {"IN/s", 11}, {"OUT/s", 11}, {"FAILED/s", 9}}) {
      title.cell(text, static_cast<std::size_t>(width), Align::right, Style::title);
    }
    std::vector<const Json*> rows;
    for (const Json& backend : sample_["backends"]) rows.push_back(&backend);
    // The busiest, where there is not room for all; those in trouble first.
    std::ranges::stable_sort(rows, std::ranges::greater{}, [](const Json* row) {
      return std::pair(number(*row, "failed_per_second"),
                       number(*row, "closed_per_second") + number(*row, "requests_per_second"));
    });
    for (const Json* row : rows) {
      if (most-- == 0) break;
      const auto [state, style] = state_of(*row);
      const double failed = number(*row, "failed_per_second");
      line()
          .cell(text_of((*row)["name"]), name_width)
          .add(" ")
          .cell(state, 8, Align::left, style)
          .cell(count_text(number(*row, "active")), 7, Align::right)
          .cell(rate_text(number(*row, "closed_per_second")), 9, Align::right)
          .cell(rate_text(number(*row, "requests_per_second")), 8, Align::right)
          .cell(bytes_text(number(*row, "bytes_in_per_second")), 11, Align::right)
          .cell(bytes_text(number(*row, "bytes_out_per_second")), 11, Align::right)
          .cell(rate_text(failed), 9, Align::right, if_any(failed, Style::bad));
    }
  }

  void names_and_errors() {
    const std::size_t half = std::max<std::size_t>(layout_.columns * 2 / 5, 16);
    const std::size_t errors = layout_.columns - std::min(layout_.columns, half + 2);
    line();
    line()
        .cell("NAME", half - 8, Align::left, Style::title)
        .cell("PER s", 8, Align::right, Style::title)
        .add("  ")
        .cell("RECENT ERRORS", errors, Align::left, Style::title);
    const Json& names = sample_["busiest_names"];
    const Json& failures = sample_["recent_failures"];
    for (std::size_t i = 0; lines_.size() < layout_.rows && i < std::max(names.size(), failures.size());
         ++i) {
      Line& row = line();
      if (i < names.size()) {
        row.cell(text_of(names[i]["name"]), half - 8)
            .cell(rate_text(number(names[i], "per_second")), 8, Align::right);
      } else {
        row.add(std::string(half, ' '));
      }
      if (i >= failures.size()) continue;
      const Json& failure = failures[i];
      const std::string time = failure["time"].get<std::string>().substr(11, 8);  // of RFC 3339
      row.add("  " + time + " ", Style::dim)
          .cell(text_of(failure["outcome"]), 15, Align::left, Style::warning)
          .add(" " + text_of(failure["name"], text_of(failure["client"])));
      if (failure["backend"].is_string()) row.add(" -> " + text_of(failure["backend"]), Style::dim);
    }
  }

  const Json& sample_;
  const std::deque<double>& accepted_;
  const TopLayout& layout_;
  std::deque<Line> lines_;  // whose references stay valid
};

}  // namespace

void TopScreen::take(std::string_view event, std::string_view data) {
  if (event != "history" && event != "sample") return;
  const Json json = Json::parse(data);
  const auto note = [this](const Json& sample) {
    accepted_.push_back(number(sample, "accepted_per_second"));
    if (accepted_.size() > longest_history) accepted_.pop_front();
  };
  if (event == "history") {
    std::ranges::for_each(json, note);
  } else {
    note(json);
    sample_ = data;
  }
}

std::string TopScreen::draw(const TopLayout& layout) const {
  return Drawing(Json::parse(sample_), accepted_, layout).draw();
}

}  // namespace portshare
