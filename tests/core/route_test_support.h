// Shorthand for rules and queries in the tests of the route table.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/route_table.h"

namespace portshare::route_test {

/// "~X" matches the names that contain X: enough of a regular expression for the tests of core, which has
/// none.
class ContainsPattern : public NamePattern {
 public:
  explicit ContainsPattern(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] bool matches(std::string_view name) const override {
    return name.find(std::string_view(text_).substr(1)) != std::string_view::npos;
  }
  [[nodiscard]] std::string_view text() const override { return text_; }

 private:
  std::string text_;
};

/// As the file writes it.
inline NameMatcher name_matcher(const std::string& text) {
  if (text.starts_with("~")) {
    return {NameMatcher::Kind::pattern, {}, std::make_shared<const ContainsPattern>(text)};
  }
  if (text.starts_with("*.")) return {NameMatcher::Kind::wildcard, text.substr(2), nullptr};
  return {NameMatcher::Kind::exact, text, nullptr};
}

inline DestinationMatcher destination_matcher(const std::string& text) {
  if (const auto prefix = IpPrefix::parse(text)) return {*prefix, std::nullopt};
  const auto endpoint = IpEndpoint::parse(text);
  return {*IpPrefix::parse(endpoint->address.to_string()), endpoint->port};
}

/// A ProtocolNameList as a ClientHello has it.
inline std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

}  // namespace portshare::route_test
