// The metrics in the text format of Prometheus, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/duration_histogram.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/control/program_report.h"

namespace portshare {

/// Writes families of samples. Label values are escaped; names are trusted.
class MetricsWriter {
 public:
  struct Label {
    std::string_view name;
    std::string_view value;
  };
  using Labels = std::initializer_list<Label>;

  explicit MetricsWriter(std::string& out) : out_(out) {}

  /// Begins a family: its samples follow. `type`: "counter", "gauge", "histogram".
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  void sample_real(double value, Labels labels = {});
  /// In seconds.
  void histogram(const DurationHistogram& histogram);

 private:
  void begin_sample(std::string_view suffix, Labels labels);

  std::string& out_;
  std::string name_;
};

/// The whole document. `registry` is the one that `report.ids` comes from.
[[nodiscard]] std::string metrics_text(const ProgramReport& report, const MetricRegistry& registry,
                                       std::string_view version);

}  // namespace portshare
