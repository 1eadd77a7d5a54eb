// Tables and numbers for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portshare {

/// Columns as wide as their widest cell, two spaces apart.
class TextTable {
 public:
  enum class Align : bool { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool is_empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t row_count() const { return rows_.size(); }
  /// A line per row, the titles first, each with a newline and without spaces at its end.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "12", "1,234", "12.3k", "4.56M".
[[nodiscard]] std::string count_text(double count);
/// "0", "<0.1", "3.4", "120".
[[nodiscard]] std::string rate_text(double per_second);
/// "12 B", "3.4 kB", "1.2 GB", in powers of ten.
[[nodiscard]] std::string bytes_text(double bytes);
/// "19 µs", "2.5 ms", "1.2 s".
[[nodiscard]] std::string latency_text(double seconds);
/// "42 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
[[nodiscard]] std::string age_text(double seconds);

/// How many columns a text takes on a terminal, if each character takes one.
[[nodiscard]] std::size_t width_of(std::string_view text);
/// Cut, with "…" at its end, or filled up with spaces.
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width,
                                 TextTable::Align align = TextTable::Align::left);

}  // namespace portshare
