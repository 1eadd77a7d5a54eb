// How commands talk to a running program: HTTP over its admin socket.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/socket_address.h"
#include "platform/loop.h"

namespace portshare {

/// Adds "--admin ADDRESS" and, where `with_json`, "--json".
void add_admin_options(boost::program_options::options_description& options, bool with_json);

struct AdminAnswer {
  unsigned status = 0;
  std::string body;  ///< JSON

  [[nodiscard]] bool succeeded() const { return status >= 200 && status < 300; }
  /// Of one that has not: the sentence in it.
  [[nodiscard]] std::string error() const;
};

/// One program at one address. Calls wait for the answer, however long it takes. Errors are sentences: nobody
/// listens there, the connection was lost.
class AdminClient {
 public:
  /// The address of --admin. The error is one of usage.
  static std::expected<AdminClient, std::string> from_options(
      const boost::program_options::variables_map& values);
  AdminClient(AdminClient&&) noexcept;
  ~AdminClient();

  [[nodiscard]] std::expected<AdminAnswer, std::string> get(std::string_view target);
  [[nodiscard]] std::expected<AdminAnswer, std::string> post(std::string_view target,
                                                             std::string_view body = {});

  /// Calls `on_event` for each event of a stream with its name and data, and `on_pause` at least every
  /// `pause`, until one of them answers false. The error: the stream has ended by itself.
  using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;
  std::expected<void, std::string> watch(std::string_view target, const OnEvent& on_event,
                                         const std::function<bool()>& on_pause,
                                         std::chrono::milliseconds pause);

  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  AdminClient(SocketAddress address, std::unique_ptr<Loop> loop);
  std::expected<AdminAnswer, std::string> ask(const std::string& request);

  SocketAddress address_;
  std::unique_ptr<Loop> loop_;
};

/// For a target or its query: everything but letters, digits and "-._~" escaped (RFC 3986, 2.1).
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// Prints "portshare COMMAND: SENTENCE" on stderr; exit_code::failed.
[[nodiscard]] int report_failure(std::string_view command, std::string_view sentence);
/// Of a command whose answer says no: the same with that.
[[nodiscard]] int report_refusal(std::string_view command, const AdminAnswer& answer);
/// 0; or for what was refused 1, and 2 where the words of the command were wrong.
[[nodiscard]] int exit_code_of(const AdminAnswer& answer);

}  // namespace portshare
