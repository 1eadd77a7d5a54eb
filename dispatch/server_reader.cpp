#include "dispatch/server_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dispatch/config_addresses.h"
#include "dispatch/config_names.h"

namespace portshare {
namespace {

using EmptyArray = SettingReader::EmptyArray;

constexpr std::array engines{Choice<EngineChoice>{"auto", EngineChoice::automatic},
                             Choice<EngineChoice>{"io_uring", EngineChoice::io_uring},
                             Choice<EngineChoice>{"epoll", EngineChoice::epoll}};
constexpr std::array log_levels{
    Choice<LogLevel>{"debug", LogLevel::debug}, Choice<LogLevel>{"info", LogLevel::info},
    Choice<LogLevel>{"warn", LogLevel::warning}, Choice<LogLevel>{"warning", LogLevel::warning},
    Choice<LogLevel>{"error", LogLevel::error}};
constexpr std::array access_formats{Choice<AccessLogFormat>{"json", AccessLogFormat::json},
                                    Choice<AccessLogFormat>{"text", AccessLogFormat::text}};
constexpr std::array access_targets{
    Choice<LogConfig::AccessTarget>{"off", LogConfig::AccessTarget::off},
    Choice<LogConfig::AccessTarget>{"stderr", LogConfig::AccessTarget::standard_error}};

struct LogTarget {
  const SettingReader& settings;
  LogConfig& log;

  /// A word, or the path of a file. A path has a slash or a dot, so that a mistyped word does not become a
  /// file.
  void read_access(const Setting& setting) const {
    const auto word = settings.text(setting);
    if (!word) return;
    if (word->find_first_of("/.") != std::string_view::npos) {
      log.access = LogConfig::AccessTarget::file;
      log.access_path = *word;
      if (word->ends_with('/')) settings.fault(setting, "is the path of a directory, not of a file");
      return;
    }
    for (const auto& choice : access_targets) {
      if (choice.word == *word) {
        log.access = choice.value;
        return;
      }
    }
    std::string suggestion = suggest(*word, access_targets, &Choice<LogConfig::AccessTarget>::word);
    if (suggestion.empty()) suggestion = fmt::format("; for a file of that name write \"./{}\"", *word);
    settings.fault(setting, fmt::format("must be \"off\", \"stderr\" or the path of a file, not '{}'{}",
                                        *word, suggestion));
  }
};

constexpr std::array log_keys{
    KnownKey<LogTarget>{"level",
                        [](LogTarget& target, const Setting& setting) {
                          const auto level = target.settings.choice<LogLevel>(setting, log_levels);
                          if (level) target.log.level = *level;
                        }},
    KnownKey<LogTarget>{"access",
                        [](LogTarget& target, const Setting& setting) { target.read_access(setting); }},
    KnownKey<LogTarget>{"format",
                        [](LogTarget& target, const Setting& setting) {
                          const auto format =
                              target.settings.choice<AccessLogFormat>(setting, access_formats);
                          if (format) target.log.format = *format;
                        }},
};

struct ServerTarget {
  const SettingReader& settings;
  ServerConfig& server;

  void read_admin(const Setting& setting) const {
    server.admin.is_default = false;
    const auto word = settings.text(setting);
    if (word == "off") {
      server.admin.address = std::nullopt;
      return;
    }
    if (!word) return;
    const auto address = settings.parsed(setting, parse_socket_address);
    if (!address) return;
    if (address->ip) {
      settings.fault(setting,
                     "must be a unix socket, \"unix:/path\", or \"off\": who may use it is a matter of "
                     "the file's permissions");
      return;
    }
    server.admin.address = *address;
  }
};

constexpr std::array server_keys{
    KnownKey<ServerTarget>{"workers",
                           [](ServerTarget& target, const Setting& setting) {
                             const auto workers = target.settings.integer(setting, {0, 1024});
                             if (workers) target.server.workers = *workers;
                           }},
    KnownKey<ServerTarget>{"engine",
                           [](ServerTarget& target, const Setting& setting) {
                             const auto engine = target.settings.choice<EngineChoice>(setting, engines);
                             if (engine) target.server.engine = *engine;
                           }},
    KnownKey<ServerTarget>{"admin",
                           [](ServerTarget& target, const Setting& setting) { target.read_admin(setting); }},
    KnownKey<ServerTarget>{"monitor",
                           [](ServerTarget& target, const Setting& setting) {
                             const auto address = target.settings.parsed(setting, parse_socket_address);
                             if (address) target.server.monitor = *address;
                           }},
    KnownKey<ServerTarget>{"user",
                           [](ServerTarget& target, const Setting& setting) {
                             if (const auto user = target.settings.text(setting)) target.server.user = *user;
                           }},
    KnownKey<ServerTarget>{"log",
                           [](ServerTarget& target, const Setting& setting) {
                             const toml::table* table = target.settings.table(setting);
                             if (table == nullptr) return;
                             LogTarget log{target.settings, target.server.log};
                             read_table<LogTarget>(*table, "'log' of [server]", log_keys, log,
                                                   target.settings);
                           }},
    KnownKey<ServerTarget>{"shutdown_timeout",
                           [](ServerTarget& target, const Setting& setting) {
                             const auto timeout = target.settings.duration(setting, any_duration);
                             if (timeout) target.server.shutdown_timeout = *timeout;
                           }},
};

struct ShareRuleTarget {
  const SettingReader& settings;
};

constexpr std::array share_rule_keys{
    KnownKey<ShareRuleTarget>{
        "user", [](ShareRuleTarget& target, const Setting& setting) { target.settings.text(setting); }},
    KnownKey<ShareRuleTarget>{"names",
                              [](ShareRuleTarget& target, const Setting& setting) {
                                target.settings.each_parsed(
                                    setting, EmptyArray::fault,
                                    [](std::string_view text) {
                                      return parse_name_matcher(text, NameSource::either);
                                    },
                                    [](const toml::node&, const NameMatcher&) {});
                              }},
};

struct ShareTarget {
  const SettingReader& settings;

  void check_rules(const Setting& setting) const {
    const toml::array* rules = settings.array(setting, EmptyArray::legal);
    if (rules == nullptr) return;
    for (const toml::node& node : *rules) {
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        settings.diagnostics().error(position_of(node), "each [[share.allow]] must be a table");
        continue;
      }
      ShareRuleTarget rule{settings};
      read_table<ShareRuleTarget>(*table, "[[share.allow]]", share_rule_keys, rule, settings);
      for (const std::string_view key : {"user", "names"}) {
        if (table->get(key) == nullptr) {
          settings.diagnostics().error(position_of(node), fmt::format("[[share.allow]] without '{}'", key));
        }
      }
    }
    settings.not_supported_yet(setting);
  }
};

constexpr std::array share_keys{
    KnownKey<ShareTarget>{"socket",
                          [](ShareTarget& target, const Setting& setting) {
                            const auto address = target.settings.parsed(setting, parse_socket_address);
                            if (!address) return;
                            if (address->ip) {
                              target.settings.fault(setting, "must be a unix socket, \"unix:/path\"");
                            } else {
                              target.settings.not_supported_yet(setting);
                            }
                          }},
    KnownKey<ShareTarget>{"allow",
                          [](ShareTarget& target, const Setting& setting) { target.check_rules(setting); }},
};

}  // namespace

void read_server(const toml::table& table, const SettingReader& settings, ServerConfig& server) {
  ServerTarget target{settings, server};
  read_table<ServerTarget>(table, "[server]", server_keys, target, settings);
}

void check_share(const toml::table& table, const SettingReader& settings) {
  ShareTarget target{settings};
  read_table<ShareTarget>(table, "[share]", share_keys, target, settings);
}

}  // namespace portshare
