#include "dispatch/commands/top.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string_view>

#include "command_line/command_line.h"
#include "dispatch/commands/admin_client.h"
#include "dispatch/commands/top_screen.h"
#include "platform/signals.h"
#include "platform/terminal.h"

namespace portshare {
namespace {

// So long after a key or a new size the screen follows.
constexpr std::chrono::milliseconds look_interval{100};
constexpr char ctrl_c = 3;

/// Line by line over what is there, so that nothing flickers.
void paint(const TerminalScreen& terminal, const std::string& text) {
  std::string painted = "\x1b[H";
  std::string_view left = text;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(line.size() + 1);
    painted.append(line).append("\x1b[K");
    if (!left.empty()) painted.append("\r\n");
  }
  terminal.write(painted.append("\x1b[J"));
}

int show_once(AdminClient& client) {
  TopScreen screen;
  const auto watched = client.watch(
      "/events",
      [&](std::string_view event, std::string_view data) {
        screen.take(event, data);
        return !screen.has_sample();
      },
      [] { return true; }, look_interval);
  if (!watched) return report_failure("top", watched.error());
  fmt::print("{}", screen.draw({.columns = 80, .rows = 60, .has_colours = false}));
  return exit_code::fine;
}

std::expected<void, std::string> watch_live(AdminClient& client, const TerminalScreen& terminal) {
  TopScreen screen;
  std::string shown;
  const auto repaint = [&] {
    if (!screen.has_sample()) return;
    const TerminalScreen::Size size = terminal.size();
    std::string text = screen.draw({.columns = size.columns, .rows = size.rows});
    if (text == shown) return;
    paint(terminal, text);
    shown = std::move(text);
  };
  return client.watch(
      "/events",
      [&](std::string_view event, std::string_view data) {
        screen.take(event, data);
        repaint();
        return true;
      },
      [&] {
        // Whatever signal it is: the terminal is to be as it was.
        if (wait_for_signal(std::chrono::milliseconds{0})) return false;
        while (const auto key = terminal.key()) {
          if (*key == 'q' || *key == 'Q' || *key == ctrl_c) return false;
        }
        repaint();
        return true;
      },
      look_interval);
}

}  // namespace

int top_command(std::span<const std::string> arguments) {
  boost::program_options::options_description options("Options");
  options.add_options()("once", "print one picture, without colours, and end");
  add_admin_options(options, false);
  const auto values = parse_options(
      {"top", "[--once]", "Shows the running program live: rates, backends, busiest names, errors. q quits."},
      options, arguments);
  if (!values) return values.error();
  auto client = AdminClient::from_options(*values);
  if (!client) return report_usage_error("top", client.error());
  // First the question whether portshare is there, while errors still stand where they can be read.
  if (const auto portshare = client->greet(); !portshare) return report_failure("top", portshare.error());
  if (values->contains("once")) return show_once(*client);
  std::expected<void, std::string> watched;
  {
    const auto terminal = TerminalScreen::open();
    if (!terminal) return report_usage_error("top", "this is no terminal; --once prints one picture");
    block_signals();
    watched = watch_live(*client, *terminal);
  }
  if (!watched) return report_failure("top", watched.error());
  return exit_code::fine;
}

}  // namespace portshare
