// What `portshare top` shows.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace portshare {

struct TopLayout {
  std::size_t columns = 80;
  std::size_t rows = 24;
  bool has_colours = true;  ///< and bold, by ECMA-48's control sequences
};

/// From the samples of /events.
class TopScreen {
 public:
  /// The data of an event; others than history and sample are passed over.
  void take(std::string_view event, std::string_view data);
  /// It has something to show.
  [[nodiscard]] bool has_sample() const { return !sample_.empty(); }

  /// At most `rows` lines of at most `columns` characters, each with a newline. Good from 80 by 24 on.
  [[nodiscard]] std::string draw(const TopLayout& layout) const;

 private:
  std::string sample_;  // a document
  std::deque<double> accepted_;
};

}  // namespace portshare
