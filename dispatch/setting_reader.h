// Reads single settings of the file with all their checks, and whole tables by a list of known keys.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/source_table.h"
#include "core/suggestion.h"
#include "dispatch/diagnostics.h"
#include "dispatch/toml_document.h"

namespace portshare {

/// One `key = value` of the file. Valid as long as the parsed document.
struct Setting {
  std::string_view key;
  FilePosition key_position;
  const toml::node& value;
};

/// A word of the file and the value that it stands for.
template <typename Value>
struct Choice {
  std::string_view word;
  Value value;
};

template <typename Number>
struct Range {
  Number lowest;
  Number highest;
};

using DurationRange = Range<std::chrono::milliseconds>;
constexpr DurationRange any_duration{std::chrono::milliseconds(0), std::chrono::days(365)};
constexpr DurationRange positive_duration{std::chrono::milliseconds(1), std::chrono::days(365)};

/// Reads values into typed results. What does not fit is reported, and the result is empty; nobody has to
/// report it again.
class SettingReader {
 public:
  explicit SettingReader(DiagnosticList& diagnostics) : diagnostics_(diagnostics) {}

  [[nodiscard]] DiagnosticList& diagnostics() const { return diagnostics_; }
  /// At the value of the setting: "'KEY' PREDICATE".
  void fault(const Setting& setting, std::string_view predicate) const;

  /// A string that is not empty. Valid as long as the document.
  std::optional<std::string_view> text(const Setting& setting) const;
  std::optional<bool> boolean(const Setting& setting) const;
  std::optional<std::uint32_t> integer(const Setting& setting, Range<std::uint32_t> range) const;
  std::optional<std::chrono::milliseconds> duration(const Setting& setting, DurationRange range) const;
  std::optional<std::uint64_t> size(const Setting& setting, Range<std::uint64_t> range) const;
  std::optional<Rate> rate(const Setting& setting) const;
  const toml::table* table(const Setting& setting) const;

  template <typename Value>
  std::optional<Value> choice(const Setting& setting, std::span<const Choice<Value>> choices) const {
    const auto word = text(setting);
    return word ? choice(setting, setting.value, *word, choices) : std::nullopt;
  }
  /// The same for a word that is an element of the setting's array.
  template <typename Value>
  std::optional<Value> choice(const Setting& setting, const toml::node& node, std::string_view word,
                              std::span<const Choice<Value>> choices) const {
    for (const Choice<Value>& each : choices) {
      if (each.word == word) return each.value;
    }
    std::vector<std::string_view> words;
    for (const Choice<Value>& each : choices) words.push_back(each.word);
    report_unknown_word(setting, node, word, words);
    return std::nullopt;
  }

  enum class EmptyArray : std::uint8_t { legal, fault };
  /// The array behind a setting; null if it is none.
  const toml::array* array(const Setting& setting, EmptyArray empty) const;
  /// Calls `use(node, text)` for every element of an array of strings.
  template <typename Use>
  void each_text(const Setting& setting, EmptyArray empty, Use use) const {
    const toml::array* elements = array(setting, empty);
    if (elements == nullptr) return;
    for (const toml::node& element : *elements) {
      if (const auto* string = element.as_string()) {
        use(element, std::string_view(string->get()));
      } else {
        report_wrong_element(setting, element);
      }
    }
  }
  /// The same with a parser (text to std::expected<Value, std::string>); `use(node, value)` gets what is
  /// legal.
  template <typename Parse, typename Use>
  void each_parsed(const Setting& setting, EmptyArray empty, Parse parse, Use use) const {
    each_text(setting, empty, [&](const toml::node& node, std::string_view element) {
      auto value = parse(element);
      if (value) {
        use(node, std::move(*value));
      } else {
        report_unparsed(setting, node, value.error());
      }
    });
  }
  /// A single string that goes through such a parser.
  template <typename Parse>
  auto parsed(const Setting& setting, Parse parse) const
      -> std::optional<typename decltype(parse(std::string_view()))::value_type> {
    const auto word = text(setting);
    if (!word) return std::nullopt;
    auto value = parse(*word);
    if (value) return std::move(*value);
    report_unparsed(setting, setting.value, value.error());
    return std::nullopt;
  }

  /// For a key of the contract whose feature this version does not have.
  void not_supported_yet(const Setting& setting) const;
  void unknown_key(const Setting& setting, std::string_view where,
                   std::span<const std::string_view> known) const;

 private:
  void wrong_type(const Setting& setting, std::string_view expected) const;
  void report_wrong_element(const Setting& setting, const toml::node& element) const;
  void report_unparsed(const Setting& setting, const toml::node& node, std::string_view problem) const;
  void report_unknown_word(const Setting& setting, const toml::node& node, std::string_view word,
                           std::span<const std::string_view> known) const;

  DiagnosticList& diagnostics_;
};

/// A key that a table may have and what reads it into `Target`.
template <typename Target>
struct KnownKey {
  std::string_view name;
  void (*read)(Target& target, const Setting& setting);
};

/// Reads what stands in `table`; keys that nobody knows are faults. `where` names the table: "[server]".
template <typename Target>
void read_table(const toml::table& table, std::string_view where, std::span<const KnownKey<Target>> keys,
                Target& target, const SettingReader& settings) {
  for (auto&& [key, value] : table) {
    const Setting setting{key.str(), position_of(key.source()), value};
    const KnownKey<Target>* known = nullptr;
    for (const KnownKey<Target>& candidate : keys) {
      if (candidate.name == setting.key) known = &candidate;
    }
    if (known != nullptr) {
      known->read(target, setting);
    } else {
      std::vector<std::string_view> names;
      for (const KnownKey<Target>& candidate : keys) names.push_back(candidate.name);
      settings.unknown_key(setting, where, names);
    }
  }
}

/// The names that the tables of one kind define, in the order of the file, and which of them are in use.
class NameIndex {
 public:
  struct Definition {
    std::string_view name;
    FilePosition position;
    const toml::node* table;
    bool used = false;
  };

  /// `kind` is "listener" or "backend". `tables` may be null: nothing is defined then.
  NameIndex(std::string_view kind, const toml::table* tables);

  [[nodiscard]] std::vector<Definition>& definitions() { return definitions_; }
  /// The index of a name, which counts as used from now on. An unknown one is reported at `node`.
  std::optional<std::uint32_t> resolve(const toml::node& node, std::string_view name,
                                       DiagnosticList& diagnostics);

 private:
  std::string_view kind_;
  std::vector<Definition> definitions_;
  std::unordered_map<std::string_view, std::uint32_t> indices_;
};

}  // namespace portshare
