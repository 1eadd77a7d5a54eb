// Who reads what we print.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace portshare {

/// Whether stderr is a terminal, with a person before it.
[[nodiscard]] bool stderr_is_terminal();

/// The terminal on stdin and stdout as one screen, which is as it was before when this goes: its own page of
/// the terminal (xterm's alternate screen), keys at once and unseen, Ctrl-C as a key.
class TerminalScreen {
 public:
  /// Null: stdin or stdout is no terminal.
  static std::unique_ptr<TerminalScreen> open();
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;
  ~TerminalScreen();

  struct Size {
    std::size_t columns = 80;
    std::size_t rows = 24;
  };
  [[nodiscard]] Size size() const;
  /// One that was pressed; does not wait for it.
  [[nodiscard]] std::optional<char> key() const;
  /// Writes all of it.
  void write(std::string_view text) const;

 private:
  struct Modes;
  explicit TerminalScreen(std::unique_ptr<Modes> before);
  std::unique_ptr<Modes> before_;
};

/// How many columns the terminal has that stdout goes to; none if it goes elsewhere.
[[nodiscard]] std::optional<std::size_t> stdout_columns();

}  // namespace portshare
