#include "dispatch/config_names.h"

#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <memory>

#include "dispatch/name_pattern.h"

namespace portshare {
namespace {

constexpr std::size_t longest_label = 63;  // RFC 1035, 2.3.4

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// The A-labels of a Unicode name; what stands behind its last colon is kept as it is.
std::expected<std::string, std::string> to_ascii(std::string_view text) {
  const std::size_t colon = std::min(text.rfind(':'), text.size());
  const std::string name(text.substr(0, colon));
  if (name.find('\0') != std::string::npos) {  // where libidn2 would stop reading
    return std::unexpected(fmt::format("'{}' is no host name: a NUL character", text));
  }
  char* output = nullptr;
  const int code = idn2_to_ascii_8z(name.c_str(), &output, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::unique_ptr<char, decltype(&idn2_free)> owner(output, &idn2_free);
  if (code != IDN2_OK) {
    return std::unexpected(fmt::format("'{}' is no host name: {}", text, idn2_strerror(code)));
  }
  return std::string(output).append(text.substr(colon));
}

std::string explain(HostName::Error error, std::string_view text) {
  switch (error) {
    case HostName::Error::empty:
      return "an empty name; leave the matcher out to match every name";
    case HostName::Error::too_long:
      return fmt::format("a name of {} bytes; host names have at most {}", text.size(), HostName::max_length);
    case HostName::Error::bad_character:
      if (text.find('*') != std::string_view::npos) {
        return fmt::format(
            "'{}': a wildcard stands at the front and for whole labels, as in '*.example.com'; "
            "for anything else write a regular expression, '~…'",
            text);
      }
      if (text.starts_with('.')) {
        return fmt::format("'{}': write '*{}' for the names below it and '{}' for the name itself", text,
                           text, text.substr(1));
      }
      return fmt::format("'{}' is no host name: letters, digits, '-', '_' and single dots between them",
                         text);
    case HostName::Error::bad_port:
      return fmt::format("'{}': what follows the colon is no port (1 to 65535)", text);
    case HostName::Error::bad_address:
      return fmt::format("'{}' is no IPv6 address in brackets", text);
  }
  return {};
}

bool has_overlong_label(std::string_view name) {
  if (name.size() <= longest_label) return false;
  std::size_t start = 0;
  while (start < name.size()) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    if (end - start > longest_label) return true;
    start = end + 1;
  }
  return false;
}

std::expected<HostName, std::string> parse_ascii_name(std::string_view text, NameSource source) {
  const auto name =
      source == NameSource::sni ? HostName::from_server_name(text) : HostName::from_authority(text);
  if (!name) return std::unexpected(explain(name.error(), text));
  if (has_overlong_label(name->view())) {
    return std::unexpected(
        fmt::format("'{}' is no host name: a part between dots has at most {} bytes", text, longest_label));
  }
  return *name;
}

}  // namespace

std::expected<HostName, std::string> parse_host_name(std::string_view text, NameSource source) {
  if (is_ascii(text)) return parse_ascii_name(text, source);  // a million of them: no detour
  const auto ascii = to_ascii(text);
  if (!ascii) return std::unexpected(ascii.error());
  return parse_ascii_name(*ascii, source);
}

std::expected<NameMatcher, std::string> parse_name_matcher(std::string_view text, NameSource source) {
  NameMatcher matcher;
  if (text.starts_with('~')) {
    auto pattern = compile_name_pattern(text);
    if (!pattern) return std::unexpected(std::move(pattern.error()));
    matcher.kind = NameMatcher::Kind::pattern;
    matcher.pattern = std::move(*pattern);
    return matcher;
  }
  if (text.starts_with("*.") && text.size() > 2) {
    matcher.kind = NameMatcher::Kind::wildcard;
    const auto name = parse_host_name(text.substr(2), source);
    if (!name) return std::unexpected(fmt::format("'{}': {}", text, name.error()));
    if (name->is_address()) return std::unexpected(fmt::format("'{}': no names are below an address", text));
    matcher.text = name->view();
    return matcher;
  }
  const auto name = parse_host_name(text, source);
  if (!name) return std::unexpected(name.error());
  if (name->is_address() && source == NameSource::sni) {
    return std::unexpected(fmt::format(
        "'{}' is an address, and an SNI that is an address matches no route; to match the address "
        "that a client connects to, write destination = [\"{}\"]",
        text, name->view()));
  }
  matcher.text = name->view();
  return matcher;
}

}  // namespace portshare
