#include "core/http_forwarded.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

namespace portshare {
namespace {

constexpr std::string_view for_line = "X-Forwarded-For: ";
constexpr std::string_view proto_line = "X-Forwarded-Proto: http\r\n";
constexpr std::string_view forwarded_line = "Forwarded: for=";
constexpr std::string_view forwarded_proto = ";proto=http\r\n";
constexpr std::string_view line_end = "\r\n";
// An IPv6 address has a colon, so it is no token and must be quoted; the brackets are of RFC 7239, 6.
constexpr std::string_view v6_begin = "\"[";
constexpr std::string_view v6_end = "]\"";

static_assert(for_line.size() + line_end.size() + proto_line.size() + forwarded_line.size() +
                  v6_begin.size() + v6_end.size() + forwarded_proto.size() + 2 * IpAddress::max_text_length <=
              max_forwarded_length);

}  // namespace

std::string_view write_forwarded(const std::optional<IpAddress>& client,
                                 std::span<char, max_forwarded_length> out) {
  std::size_t length = 0;
  const auto append = [&](std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) {
      std::ranges::copy(part, out.subspan(length).begin());
      length += part.size();
    }
  };

  if (client) {
    std::array<char, IpAddress::max_text_length> text{};
    const std::string_view address(text.data(), client->write_text(text));
    append({for_line, address, line_end, proto_line, forwarded_line});
    if (client->is_v4()) {
      append({address, forwarded_proto});
    } else {
      append({v6_begin, address, v6_end, forwarded_proto});
    }
  } else {
    append({proto_line, forwarded_line, "unknown", forwarded_proto});
  }
  return {out.data(), length};
}

HeaderFields forwarded_fields(const std::optional<IpAddress>& client) {
  std::array<char, max_forwarded_length> space;
  HeaderFields fields;
  for (std::string_view lines = write_forwarded(client, space); !lines.empty();) {
    const std::string_view line = lines.substr(0, lines.find(line_end));
    lines.remove_prefix(line.size() + line_end.size());
    constexpr std::string_view separator = ": ";
    std::string name(line.substr(0, line.find(separator)));
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    fields.add({name, line.substr(name.size() + separator.size())});
  }
  return fields;
}

}  // namespace portshare
