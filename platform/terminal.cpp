#include "platform/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace portshare {

namespace {

constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l";  // the other page, without a cursor
constexpr std::string_view leave = "\x1b[?25h\x1b[?1049l";

}  // namespace

bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

struct TerminalScreen::Modes {
  termios values{};
};

std::unique_ptr<TerminalScreen> TerminalScreen::open() {
  auto before = std::make_unique<Modes>();
  if (::isatty(STDOUT_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &before->values) != 0) return nullptr;
  termios values = before->values;
  values.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  values.c_cc[VMIN] = 0;
  values.c_cc[VTIME] = 0;
  if (::tcsetattr(STDIN_FILENO, TCSANOW, &values) != 0) return nullptr;
  return std::unique_ptr<TerminalScreen>(new TerminalScreen(std::move(before)));
}

TerminalScreen::TerminalScreen(std::unique_ptr<Modes> before) : before_(std::move(before)) {
  write(enter);
}

TerminalScreen::~TerminalScreen() {
  write(leave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_->values);
}

TerminalScreen::Size TerminalScreen::size() const {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0) return {};
  return {.columns = window.ws_col, .rows = window.ws_row};
}

std::optional<char> TerminalScreen::key() const {
  char key = 0;
  return ::read(STDIN_FILENO, &key, 1) == 1 ? std::optional(key) : std::nullopt;
}

void TerminalScreen::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return;
    }
  }
}

std::optional<std::size_t> stdout_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

}  // namespace portshare
