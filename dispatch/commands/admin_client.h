// How commands talk to a running program: HTTP over its admin socket.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
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
  /// It refuses what is asked for as such: wrong usage of the command, where that has not been seen before.
  [[nodiscard]] bool is_wrong_usage() const { return status == 400; }
};

/// How long an answer may take. Everything but a reload and an upgrade is answered in milliseconds; an
/// upgrade gives the new program a minute.
enum class AdminPatience : std::uint8_t { seconds, minutes, for_ever };

/// One program at one address. Errors are sentences: nobody listens there, or somebody else, there is no
/// answer, the connection was lost.
class AdminClient {
 public:
  /// The address of --admin. The error is one of usage.
  static std::expected<AdminClient, std::string> from_options(
      const boost::program_options::variables_map& values);
  AdminClient(AdminClient&&) noexcept;
  ~AdminClient();

  /// Asks for a JSON object. One that has succeeded has the member `key`: so it is known that it comes from
  /// portshare.
  [[nodiscard]] std::expected<AdminAnswer, std::string> get(std::string_view target, std::string_view key,
                                                            AdminPatience patience = AdminPatience::seconds);
  [[nodiscard]] std::expected<AdminAnswer, std::string> post(std::string_view target, std::string_view key,
                                                             std::string_view body = {},
                                                             AdminPatience patience = AdminPatience::seconds);
  /// Whether it is portshare that answers.
  [[nodiscard]] std::expected<void, std::string> greet();

  /// Calls `on_event` for each event of a stream with its name and data, and `on_pause` at least every
  /// `pause`, until one of them answers false. The error: the stream has ended by itself.
  using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;
  std::expected<void, std::string> watch(std::string_view target, const OnEvent& on_event,
                                         const std::function<bool()>& on_pause,
                                         std::chrono::milliseconds pause);

  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  AdminClient(SocketAddress address, std::unique_ptr<Loop> loop);
  std::expected<AdminAnswer, std::string> ask(const std::string& request, std::string_view key,
                                              AdminPatience patience);

  SocketAddress address_;
  std::unique_ptr<Loop> loop_;
};

/// For a target or its query: everything but letters, digits and "-._~" escaped (RFC 3986, 2.1).
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// Prints "portshare COMMAND: SENTENCE" on stderr; exit_code::failed.
[[nodiscard]] int report_failure(std::string_view command, std::string_view sentence);
/// 0; or for what was refused 1, and 2 where the words of the command were wrong.
[[nodiscard]] int exit_code_of(const AdminAnswer& answer);
/// The same of an answer that has not succeeded, with its sentence on stderr.
[[nodiscard]] int report_refusal(std::string_view command, const AdminAnswer& answer);

/// Whether `word`, the value of `option`, is one of `choices`; the error is a sentence with what was meant.
[[nodiscard]] std::expected<void, std::string> check_choice(std::string_view option, std::string_view word,
                                                            std::span<const std::string_view> choices);

}  // namespace portshare
