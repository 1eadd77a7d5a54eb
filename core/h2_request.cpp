#include "core/h2_request.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace portshare {
namespace {

using Field = HeaderFields::Field;

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

/// RFC 9110, 5.6.2, in lower case.
bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || token_marks.find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view value) {
  constexpr std::string_view forbidden("\0\r\n", 3);
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  if (value.find_first_of(forbidden) != std::string_view::npos) return false;
  return value.empty() || (!is_space(value.front()) && !is_space(value.back()));
}

/// A field that is no pseudo-header.
bool is_legal_regular(const Field& field) {
  static constexpr std::array<std::string_view, 5> connection_fields{
      "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"};
  if (!is_name(field.name) || !is_value(field.value)) return false;
  if (std::ranges::find(connection_fields, field.name) != connection_fields.end()) return false;
  return field.name != "te" || field.value == "trailers";
}

/// The values that say where a request goes. Each is set once at most.
struct Target {
  std::optional<std::string_view> method;
  std::optional<std::string_view> scheme;
  std::optional<std::string_view> path;
  std::optional<std::string_view> authority;
  std::optional<std::string_view> protocol;
  std::optional<std::string_view> host;

  std::optional<std::string_view>* pseudo_header(std::string_view name) {
    if (name == ":method") return &method;
    if (name == ":scheme") return &scheme;
    if (name == ":path") return &path;
    if (name == ":authority") return &authority;
    if (name == ":protocol") return &protocol;
    return nullptr;
  }

  [[nodiscard]] bool is_complete() const {
    if (!method || method->empty()) return false;
    const bool is_connect = *method == "CONNECT";
    if (protocol && (!is_connect || protocol->empty())) return false;
    if (is_connect && !protocol) return authority && !scheme && !path;
    return scheme && !scheme->empty() && path && !path->empty();
  }
};

bool set_once(std::optional<std::string_view>& slot, std::string_view value) {
  if (slot) return false;
  slot = value;
  return true;
}

bool is_same(const HostName& a, const HostName& b, std::uint16_t default_port) {
  return a.view() == b.view() && a.port().value_or(default_port) == b.port().value_or(default_port);
}

}  // namespace

std::optional<H2Request> judge_h2_request(const HeaderFields& fields) {
  Target target;
  bool has_regular = false;
  for (std::size_t i = 0; i < fields.count(); ++i) {
    const Field field = fields[i];
    if (field.name.starts_with(':')) {
      auto* const slot = target.pseudo_header(field.name);
      if (has_regular || slot == nullptr || !is_value(field.value)) return std::nullopt;
      if (!set_once(*slot, field.value)) return std::nullopt;
      continue;
    }
    has_regular = true;
    if (!is_legal_regular(field)) return std::nullopt;
    if (field.name == "host" && !set_once(target.host, field.value)) return std::nullopt;
  }
  if (!target.is_complete()) return std::nullopt;

  const auto name_text = target.authority ? target.authority : target.host;
  const auto name = name_text
                        ? HostName::from_authority(*name_text)
                        : std::expected<HostName, HostName::Error>(std::unexpect, HostName::Error::empty);
  if (!name) return std::nullopt;
  if (target.authority && target.host) {
    const auto host = HostName::from_authority(*target.host);
    const std::uint16_t default_port = target.scheme == "https" ? 443 : 80;
    if (!host || !is_same(*name, *host, default_port)) return std::nullopt;
  }
  return H2Request{*target.method, *name};
}

bool are_legal_h2_trailers(const HeaderFields& fields) {
  for (std::size_t i = 0; i < fields.count(); ++i) {
    if (!is_legal_regular(fields[i])) return false;
  }
  return true;
}

}  // namespace portshare
