#include "dispatch/commands/steering.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "command_line/command_line.h"
#include "dispatch/commands/admin_client.h"

namespace portshare {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds drain_poll{200};

/// What the commands here have in common: one question, and its answer as JSON or in words.
class Steering {
 public:
  Steering(const CommandUsage& usage, po::options_description options, std::span<const std::string> arguments)
      : name_(usage.name), values_(parse(usage, std::move(options), arguments)) {
    if (!values_) return;
    auto client = AdminClient::from_options(*values_);
    if (client) {
      client_.emplace(std::move(*client));
    } else {
      values_ = std::unexpected(report_usage_error(name_, client.error()));
    }
  }

  [[nodiscard]] bool is_ready() const { return values_.has_value(); }
  /// If it is not: everything is said.
  [[nodiscard]] int exit_code() const { return values_.error(); }
  [[nodiscard]] const po::variables_map& values() const { return *values_; }
  AdminClient& client() { return *client_; }

  /// Prints the answer, and the exit code. `words` makes lines of its JSON. The rest as for AdminClient.
  template <typename Words>
  int post(std::string_view target, std::string_view key, std::string_view body, Words words,
           AdminPatience patience = AdminPatience::seconds) {
    const auto answer = client_->post(target, key, body, patience);
    if (!answer) return report_failure(name_, answer.error());
    if (values_->contains("json")) {
      fmt::print("{}", answer->body);
    } else if (answer->succeeded()) {
      fmt::print("{}", words(Json::parse(answer->body)));
    } else {
      return report_refusal(name_, *answer);
    }
    return exit_code_of(*answer);
  }

 private:
  static std::expected<po::variables_map, int> parse(const CommandUsage& usage,
                                                     po::options_description options,
                                                     std::span<const std::string> arguments) {
    add_admin_options(options, true);
    return parse_options(usage, std::move(options), arguments);
  }

  std::string_view name_;
  std::expected<po::variables_map, int> values_;
  std::optional<AdminClient> client_;
};

int print_reload(const AdminAnswer& answer) {
  const Json json = Json::parse(answer.body);
  if (!json.contains("faults")) return report_refusal("reload", answer);
  for (const Json& warning : json.value("warnings", Json::array()))
    fmt::print(stderr, "{}\n", warning.get<std::string>());
  for (const Json& fault : json["faults"]) fmt::print(stderr, "{}\n", fault.get<std::string>());
  if (!answer.succeeded()) return report_failure("reload", "nothing has changed");
  for (const Json& change : json["changes"]) fmt::print("{}\n", change.get<std::string>());
  if (json["changes"].empty()) fmt::print("nothing is different\n");
  return exit_code::fine;
}

}  // namespace

int reload_command(std::span<const std::string> arguments) {
  Steering steering({"reload", "[--json]",
                     "Has the running program read its configuration again, and says what is different. A "
                     "faulty file changes nothing: then its faults are printed, and the exit code is 1."},
                    po::options_description("Options"), arguments);
  if (!steering.is_ready()) return steering.exit_code();
  const auto answer = steering.client().post("/reload", "faults", {}, AdminPatience::minutes);
  if (!answer) return report_failure("reload", answer.error());
  if (!steering.values().contains("json")) return print_reload(*answer);
  fmt::print("{}", answer->body);
  return exit_code_of(*answer);
}

int drain_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("wait", "return when the last connection has ended, and the program with it");
  Steering steering(
      {"drain", "[--wait] [--json]",
       "Has the running program accept no more connections, and end when those that it has have ended."},
      std::move(options), arguments);
  if (!steering.is_ready()) return steering.exit_code();
  const int done = steering.post("/drain", "draining", {}, [](const Json&) {
    return "draining: no new connections; the program ends after the last one\n";
  });
  if (done != exit_code::fine || !steering.values().contains("wait")) return done;
  // As long as it runs it answers.
  while (steering.client().get("/status", "version", AdminPatience::for_ever))
    std::this_thread::sleep_for(drain_poll);
  return exit_code::fine;
}

int upgrade_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("binary", po::value<std::string>()->value_name("FILE"),
                        "the new program (the file by which the one that runs was started: a newer one by "
                        "now, or a link to one)");
  Steering steering({"upgrade", "[FILE] [--json]",
                     "Starts the new program, and moves listeners and connections to it. If it does not come "
                     "up, the one that runs goes on, and the exit code is 1.",
                     "portshare", "binary"},
                    std::move(options), arguments);
  if (!steering.is_ready()) return steering.exit_code();
  const auto* const binary = option_value<std::string>(steering.values(), "binary");
  const std::string body = binary ? Json{{"binary", std::filesystem::absolute(*binary).string()}}.dump() : "";
  return steering.post(
      "/upgrade", "upgraded", body, [](const Json& json) { return json.value("message", "upgraded") + "\n"; },
      AdminPatience::minutes);
}

int server_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("backend", po::value<std::string>()->value_name("NAME")->required(), "its backend")(
      "address", po::value<std::string>()->value_name("ADDRESS")->required(),
      "the server, as `portshare status` shows it")(
      "state", po::value<std::string>()->value_name("STATE")->required(),
      "enabled; drain: no new connections; disabled: no health checks either");
  Steering steering({"server", "--backend NAME --address ADDRESS --state STATE",
                     "Takes a server of the running program out, or back in. It stays so over reloads, until "
                     "the program ends."},
                    std::move(options), arguments);
  if (!steering.is_ready()) return steering.exit_code();
  const po::variables_map& values = steering.values();
  constexpr std::array<std::string_view, 3> states{"enabled", "drain", "disabled"};
  if (const auto known = check_choice("--state", values["state"].as<std::string>(), states); !known) {
    return report_usage_error("server", known.error());
  }
  const std::string target =
      fmt::format("/backends/{}/servers/{}", percent_encoded(values["backend"].as<std::string>()),
                  percent_encoded(values["address"].as<std::string>()));
  return steering.post(
      target, "state", Json{{"state", values["state"].as<std::string>()}}.dump(), [](const Json& json) {
        return fmt::format("backend {}: server {}: {}\n", json["backend"].get<std::string>(),
                           json["server"].get<std::string>(), json["state"].get<std::string>());
      });
}

int log_level_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("level", po::value<std::string>()->value_name("LEVEL")->required(),
                        "debug, info, warn or error");
  Steering steering(
      {"log-level", "LEVEL", "Sets which lines the running program logs, until its next reload.", "portshare",
       "level"},
      std::move(options), arguments);
  if (!steering.is_ready()) return steering.exit_code();
  const auto& level = steering.values()["level"].as<std::string>();
  constexpr std::array<std::string_view, 5> levels{"debug", "info", "warn", "warning", "error"};
  if (const auto known = check_choice("LEVEL", level, levels); !known) {
    return report_usage_error("log-level", known.error());
  }
  return steering.post("/log-level", "level", Json{{"level", level}}.dump(), [](const Json& json) {
    return fmt::format("logging {} and above\n", json["level"].get<std::string>());
  });
}

}  // namespace portshare
