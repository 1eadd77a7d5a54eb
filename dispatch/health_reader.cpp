#include "dispatch/health_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <string>
#include <string_view>

namespace portshare {
namespace {

constexpr std::array kinds{Choice<HealthConfig::Kind>{"tcp", HealthConfig::Kind::tcp},
                           Choice<HealthConfig::Kind>{"http", HealthConfig::Kind::http},
                           Choice<HealthConfig::Kind>{"tls", HealthConfig::Kind::tls}};
constexpr Range<std::uint32_t> checks_in_a_row{1, 100};

using StatusRange = Range<std::uint32_t>;

std::optional<std::uint32_t> parse_status(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 3 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  std::uint32_t status = 0;
  for (const char c : text) status = status * 10 + static_cast<std::uint32_t>(c - '0');
  if (status < 200 || status > 599) return std::nullopt;  // interim responses are no answer
  return status;
}

/// "200", "2xx" or "200-399".
std::expected<StatusRange, std::string> parse_status_range(std::string_view text) {
  constexpr std::string_view problem = R"(must be a status such as "200", "2xx" or "200-399")";
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '2' && text[0] <= '5') {
    const auto hundreds = static_cast<std::uint32_t>(text[0] - '0') * 100;
    return StatusRange{hundreds, hundreds + 99};
  }
  const std::size_t dash = text.find('-');
  const auto lowest = parse_status(text.substr(0, dash));
  const auto highest = dash == std::string_view::npos ? lowest : parse_status(text.substr(dash + 1));
  if (!lowest || !highest || *lowest > *highest) {
    return std::unexpected(fmt::format("'{}' {}", text, problem));
  }
  return StatusRange{*lowest, *highest};
}

/// What a request line and a check of its own rules can carry: no spaces, no control characters, no fragment.
bool is_request_target(std::string_view path) {
  return path.starts_with('/') &&
         std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

struct HealthTarget {
  const SettingReader& settings;
  HealthConfig health;

  void read_number(const Setting& setting, std::uint32_t& number) const {
    if (const auto value = settings.integer(setting, checks_in_a_row)) number = *value;
  }
  void read_time(const Setting& setting, std::chrono::milliseconds& time) const {
    if (const auto value = settings.duration(setting, positive_duration)) time = *value;
  }
};

using Key = KnownKey<HealthTarget>;
constexpr std::array health_keys{
    Key{"kind",
        [](HealthTarget& target, const Setting& setting) {
          const auto kind = target.settings.choice<HealthConfig::Kind>(setting, kinds);
          if (kind) target.health.kind = *kind;
        }},
    Key{"interval", [](HealthTarget& target,
                       const Setting& setting) { target.read_time(setting, target.health.interval); }},
    Key{"timeout", [](HealthTarget& target,
                      const Setting& setting) { target.read_time(setting, target.health.timeout); }},
    Key{"rise", [](HealthTarget& target,
                   const Setting& setting) { target.read_number(setting, target.health.rise); }},
    Key{"fall", [](HealthTarget& target,
                   const Setting& setting) { target.read_number(setting, target.health.fall); }},
    Key{"path",
        [](HealthTarget& target, const Setting& setting) {
          const auto path = target.settings.text(setting);
          if (!path) return;
          if (!path->starts_with('/')) {
            target.settings.fault(setting, "must begin with a slash");
          } else if (!is_request_target(*path)) {
            target.settings.fault(setting,
                                  "must be a path as a request has it: ASCII without spaces and without '#'");
          } else {
            target.health.path = *path;
          }
        }},
    Key{"expect",
        [](HealthTarget& target, const Setting& setting) {
          const auto range = target.settings.parsed(setting, parse_status_range);
          if (!range) return;
          target.health.lowest_status = range->lowest;
          target.health.highest_status = range->highest;
        }},
};

}  // namespace

std::optional<HealthConfig> read_health(const Setting& setting, const SettingReader& settings) {
  const toml::table* table = settings.table(setting);
  if (table == nullptr) return std::nullopt;
  const std::size_t errors = settings.diagnostics().error_count();
  HealthTarget target{.settings = settings, .health = {}};
  read_table<HealthTarget>(*table, "'health'", health_keys, target, settings);
  const bool knows_kind = errors == settings.diagnostics().error_count();
  if (knows_kind && target.health.kind != HealthConfig::Kind::http) {
    for (const std::string_view key : {"path", "expect"}) {
      if (const toml::node* node = table->get(key)) {
        settings.diagnostics().error(position_of(*node), fmt::format("'{}' needs kind = \"http\"", key));
      }
    }
  }
  if (errors != settings.diagnostics().error_count()) return std::nullopt;
  return target.health;
}

}  // namespace portshare
