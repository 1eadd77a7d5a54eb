#include "dispatch/setting_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "dispatch/config_values.h"

namespace portshare {

void SettingReader::fault(const Setting& setting, std::string_view predicate) const {
  diagnostics_.error(position_of(setting.value), fmt::format("'{}' {}", setting.key, predicate));
}

void SettingReader::wrong_type(const Setting& setting, std::string_view expected) const {
  fault(setting, fmt::format("must be {}, not {}", expected, type_name(setting.value)));
}

std::optional<std::string_view> SettingReader::text(const Setting& setting) const {
  const auto* string = setting.value.as_string();
  if (string == nullptr) {
    wrong_type(setting, "a string");
    return std::nullopt;
  }
  if (string->get().empty()) {
    fault(setting, "must not be empty");
    return std::nullopt;
  }
  return std::string_view(string->get());
}

std::optional<bool> SettingReader::boolean(const Setting& setting) const {
  if (const auto* boolean = setting.value.as_boolean()) return boolean->get();
  wrong_type(setting, "true or false");
  return std::nullopt;
}

std::optional<std::uint32_t> SettingReader::integer(const Setting& setting,
                                                    Range<std::uint32_t> range) const {
  const auto* integer = setting.value.as_integer();
  if (integer == nullptr) {
    wrong_type(setting, "an integer");
    return std::nullopt;
  }
  const std::int64_t number = integer->get();
  if (number < range.lowest || number > range.highest) {
    fault(setting, fmt::format("is {}; it must be {} to {}", number, range.lowest, range.highest));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(number);
}

std::optional<std::chrono::milliseconds> SettingReader::duration(const Setting& setting,
                                                                 DurationRange range) const {
  if (const auto* integer = setting.value.as_integer()) {
    fault(setting, fmt::format("must be a duration, not an integer; write \"{0}s\" or \"{0}ms\"",
                               integer->get() < 0 ? 0 : integer->get()));
    return std::nullopt;
  }
  const auto word = text(setting);
  if (!word) return std::nullopt;
  const auto value = parse_duration(*word);
  if (!value) {
    fault(setting, value.error());
    return std::nullopt;
  }
  if (*value < range.lowest || *value > range.highest) {
    fault(setting, fmt::format("is \"{}\"; it must be \"{}\" to \"{}\"", *word, duration_text(range.lowest),
                               duration_text(range.highest)));
    return std::nullopt;
  }
  return *value;
}

std::optional<std::uint64_t> SettingReader::size(const Setting& setting, Range<std::uint64_t> range) const {
  std::uint64_t bytes = 0;
  if (const auto* integer = setting.value.as_integer()) {
    if (integer->get() < 0) {
      fault(setting, "must not be negative");
      return std::nullopt;
    }
    bytes = static_cast<std::uint64_t>(integer->get());
  } else {
    const auto word = text(setting);
    if (!word) return std::nullopt;
    const auto value = parse_size(*word);
    if (!value) {
      fault(setting, value.error());
      return std::nullopt;
    }
    bytes = *value;
  }
  if (bytes < range.lowest || bytes > range.highest) {
    fault(setting, fmt::format("is {}; it must be {} to {}", size_text(bytes), size_text(range.lowest),
                               size_text(range.highest)));
    return std::nullopt;
  }
  return bytes;
}

std::optional<Rate> SettingReader::rate(const Setting& setting) const {
  const auto word = text(setting);
  if (!word) return std::nullopt;
  const auto value = parse_rate(*word);
  if (!value) {
    fault(setting, value.error());
    return std::nullopt;
  }
  return *value;
}

const toml::table* SettingReader::table(const Setting& setting) const {
  const auto* table = setting.value.as_table();
  if (table == nullptr) wrong_type(setting, "a table");
  return table;
}

const toml::array* SettingReader::array(const Setting& setting, EmptyArray empty) const {
  const auto* array = setting.value.as_array();
  if (array == nullptr) {
    if (const auto* string = setting.value.as_string()) {
      fault(setting,
            fmt::format("must be an array, not a string; write {} = [\"{}\"]", setting.key, string->get()));
    } else {
      wrong_type(setting, "an array");
    }
    return nullptr;
  }
  if (array->empty() && empty == EmptyArray::fault) {
    fault(setting, "is empty; fill it or leave it out");
    return nullptr;
  }
  return array;
}

void SettingReader::not_supported_yet(const Setting& setting) const {
  fault(setting, "is not available in this version: not supported yet");
}

void SettingReader::unknown_key(const Setting& setting, std::string_view where,
                                std::span<const std::string_view> known) const {
  diagnostics_.error(setting.key_position,
                     fmt::format("unknown key '{}' in {}{}", setting.key, where,
                                 diagnostics_.has_room_for_suggestions() ? suggest(setting.key, known) : ""));
}

void SettingReader::report_wrong_element(const Setting& setting, const toml::node& element) const {
  diagnostics_.error(position_of(element),
                     fmt::format("'{}' must contain strings only, not {}", setting.key, type_name(element)));
}

void SettingReader::report_unparsed(const Setting& setting, const toml::node& node,
                                    std::string_view problem) const {
  diagnostics_.error(position_of(node), fmt::format("'{}': {}", setting.key, problem));
}

void SettingReader::report_unknown_word(const Setting& setting, const toml::node& node, std::string_view word,
                                        std::span<const std::string_view> known) const {
  std::string suggestion = diagnostics_.has_room_for_suggestions() ? suggest(word, known) : std::string();
  if (suggestion.empty()) suggestion = fmt::format("; it is one of \"{}\"", fmt::join(known, "\", \""));
  diagnostics_.error(position_of(node),
                     fmt::format("'{}': unknown value '{}'{}", setting.key, word, suggestion));
}

NameIndex::NameIndex(std::string_view kind, const toml::table* tables) : kind_(kind) {
  if (tables == nullptr) return;
  for (auto&& [key, table] : *tables) {
    definitions_.push_back({key.str(), position_of(key.source()), &table});
  }
  std::ranges::sort(definitions_, {}, &Definition::position);
  for (const Definition& definition : definitions_) {
    indices_.emplace(definition.name, static_cast<std::uint32_t>(indices_.size()));
  }
}

std::optional<std::uint32_t> NameIndex::resolve(const toml::node& node, std::string_view name,
                                                DiagnosticList& diagnostics) {
  const auto found = indices_.find(name);
  if (found == indices_.end()) {
    diagnostics.error(position_of(node), fmt::format("no {} is called '{}'{}", kind_, name,
                                                     diagnostics.has_room_for_suggestions()
                                                         ? suggest(name, definitions_, &Definition::name)
                                                         : ""));
    return std::nullopt;
  }
  definitions_[found->second].used = true;
  return found->second;
}

}  // namespace portshare
