#include "dispatch/passed_sockets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "platform/listening_socket.h"

namespace portshare {
namespace {

std::string missing_message(const ServiceManager& manager, const std::string& name) {
  if (manager.passed_sockets().empty()) {
    return fmt::format(
        "'systemd:{}': no socket was passed to this program; start it by its .socket unit (systemctl start "
        "portshare.socket), or bind an address",
        name);
  }
  std::set<std::string> names;
  for (const PassedSocket& passed : manager.passed_sockets()) names.insert(passed.name);
  return fmt::format(
      "'systemd:{}': no such socket was passed; there {} '{}', as FileDescriptorName= of the .socket unit "
      "says",
      name, names.size() == 1 ? "is" : "are", fmt::join(names, "', '"));
}

}  // namespace

std::expected<std::vector<Socket>, std::string> open_passed_sockets(const ServiceManager& manager,
                                                                    const std::string& name) {
  std::vector<Socket> sockets;
  std::string error;
  for (const PassedSocket& passed : manager.passed_sockets()) {
    if (passed.name != name) continue;
    const auto socket = adopt_listening_socket(passed.socket);
    if (socket) {
      sockets.push_back(*socket);
    } else if (error.empty()) {
      error = fmt::format("'systemd:{}': the socket that was passed {}", name, socket.error().message);
    }
  }
  if (error.empty() && sockets.empty()) error = missing_message(manager, name);
  if (error.empty()) return sockets;
  for (const Socket socket : sockets) close_adopted_socket(socket);
  return std::unexpected(std::move(error));
}

void warn_about_unused_sockets(const ServiceManager& manager, const Config& config) {
  std::set<std::string> warned;
  for (const PassedSocket& passed : manager.passed_sockets()) {
    const bool is_used = std::ranges::any_of(config.listeners, [&](const ListenerConfig& listener) {
      return std::ranges::find(listener.passed_sockets, passed.name) != listener.passed_sockets.end();
    });
    if (is_used || !warned.insert(passed.name).second) continue;
    spdlog::warn(
        "no listener uses the socket '{}' that the service manager passed: clients of {} wait in vain; write "
        "bind = [\"systemd:{}\"] in a listener, or remove the .socket unit",
        passed.name, address_of_listening_socket(passed.socket).to_string(), passed.name);
  }
}

}  // namespace portshare
