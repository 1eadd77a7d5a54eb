#include "core/route_description.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

namespace portshare {
namespace {

std::string text_of(const IpPrefix& prefix, std::optional<std::uint16_t> port) {
  return port ? IpEndpoint{prefix.base, *port}.to_string() : prefix.to_string();
}

std::string text_of(NameMatcher::Kind kind, std::string_view text) {
  return (kind == NameMatcher::Kind::wildcard ? "*." : "") + std::string(text);
}

std::string text_of(const NameMatcher& matcher) {
  const bool is_pattern = matcher.kind == NameMatcher::Kind::pattern;
  return text_of(matcher.kind, is_pattern ? matcher.pattern->text() : matcher.text);
}
std::string text_of(const DestinationMatcher& matcher) {
  return text_of(matcher.prefix, matcher.port);
}
std::string text_of(const IpPrefix& prefix) {
  return prefix.to_string();
}
std::string text_of(const std::string& text) {
  return text;
}
std::string text_of(Protocol protocol) {
  return std::string(to_string(protocol));
}

std::string key_of(NameSource source) {
  switch (source) {
    case NameSource::either:
      return "name";
    case NameSource::sni:
      return "sni";
    case NameSource::host:
      return "host";
  }
  return {};
}

void append(std::string& list, const std::string& item) {
  if (!list.empty()) list += ", ";
  list += item;
}

/// A value that both lists have; for one and the same list, a value that it has twice.
template <class Value>
std::optional<std::string> common_value(const std::vector<Value>& a, const std::vector<Value>& b) {
  const bool same = &a == &b;
  const auto& smaller = a.size() <= b.size() ? a : b;
  const auto& larger = a.size() <= b.size() ? b : a;
  std::unordered_set<std::string> texts;
  if (!same) {
    for (const Value& value : smaller) texts.insert(text_of(value));
  }
  for (const Value& value : larger) {
    std::string text = text_of(value);
    if (same ? !texts.insert(text).second : texts.contains(text)) return text;
  }
  return std::nullopt;
}

/// "KEY VALUE, VALUE", with all values up to three of them.
template <class Value>
std::string list_of(const std::string& key, const std::vector<Value>& values) {
  constexpr std::size_t most = 3;
  std::string list;
  for (std::size_t i = 0; i < std::min(values.size(), most); ++i) append(list, text_of(values[i]));
  if (values.size() > most) list += " and " + std::to_string(values.size() - most) + " more";
  return key + " " + list;
}

/// "KEY VALUE does not match ACTUAL".
template <class Value>
std::string mismatch(const std::string& key, const std::vector<Value>& values, const std::string& verdict) {
  return list_of(key, values) + " " + verdict;
}

bool matches(const DestinationMatcher& matcher, const IpEndpoint& destination) {
  return matcher.prefix.contains(destination.address) && (!matcher.port || matcher.port == destination.port);
}

bool matches(const NameMatcher& matcher, std::string_view name) {
  switch (matcher.kind) {
    case NameMatcher::Kind::exact:
      return matcher.text == name;
    case NameMatcher::Kind::wildcard:
      return name.size() > matcher.text.size() + 1 && name.ends_with(matcher.text) &&
             name[name.size() - matcher.text.size() - 1] == '.';
    case NameMatcher::Kind::pattern:
      return matcher.pattern->matches(name);
  }
  return false;
}

bool is_offered(std::string_view protocol, ByteView offered) {
  Cursor cursor(offered);
  while (const auto entry = cursor.read_vector8()) {
    if (as_text(*entry) == protocol) return true;
  }
  return false;
}

std::string name_mismatch(const RouteRule& rule, const RouteQuery& query) {
  const std::string key = key_of(rule.name_source);
  if (query.name.empty()) return mismatch(key, rule.names, "does not match a connection without a name");
  if (rule.name_source != NameSource::either && rule.name_source != query.name_source) {
    return mismatch(key, rule.names, "does not match a name that comes as " + key_of(query.name_source));
  }
  if (query.name_is_address && query.name_source == NameSource::sni) {
    return mismatch(key, rule.names, "does not match an SNI that is an address");
  }
  const bool matched = std::ranges::any_of(
      rule.names, [&](const NameMatcher& matcher) { return matches(matcher, query.name); });
  return matched ? std::string() : mismatch(key, rule.names, "does not match " + std::string(query.name));
}

std::string destination_text(const RouteMatch& match) {
  return match.destination ? text_of(*match.destination, match.destination_port) : std::string();
}

std::string name_text(const RouteMatch& match) {
  return match.name_kind ? text_of(*match.name_kind, match.name) : std::string();
}

/// What a rule gives for one matcher, against what the winner gives.
std::string less_specific(const std::string& key, const std::string& ours, const std::string& winners) {
  return "less specific: " + (ours.empty() ? "no " + key : key + " " + ours) + " against " + winners;
}

}  // namespace

std::string describe_rule(const RouteRule& rule) {
  std::string text;
  const auto append_matcher = [&](const std::string& key, const auto& values) {
    if (!values.empty()) append(text, list_of(key, values));
  };
  append_matcher("destination", rule.destinations);
  append_matcher(key_of(rule.name_source), rule.names);
  append_matcher("alpn", rule.alpn);
  append_matcher("source", rule.sources);
  append_matcher("protocol", rule.protocols);
  return text.empty() ? "everything" : text;
}

std::string describe_overlap(const RouteRule& rule, const RouteRule& earlier) {
  std::string list;
  const auto add = [&](const std::string& key, const std::optional<std::string>& value) {
    if (value) append(list, key + " " + *value);
  };
  add("destination", common_value(rule.destinations, earlier.destinations));
  add(key_of(rule.name_source), common_value(rule.names, earlier.names));
  add("alpn", common_value(rule.alpn, earlier.alpn));
  add("source", common_value(rule.sources, earlier.sources));
  add("protocol", common_value(rule.protocols, earlier.protocols));
  return list.empty() ? "no matcher" : list;
}

std::string describe_match(const RouteMatch& match) {
  std::string list;
  if (match.destination) append(list, "destination " + destination_text(match));
  if (match.name_kind) append(list, key_of(match.name_source) + " " + name_text(match));
  if (match.alpn) append(list, "alpn " + std::string(*match.alpn));
  if (match.source) append(list, "source " + match.source->to_string());
  if (match.protocol) append(list, "protocol " + text_of(*match.protocol));
  return list.empty() ? "no matcher" : list;
}

std::string describe_loss(const RouteMatch& match, const RouteMatch& winner) {
  if (match.destination != winner.destination || match.destination_port != winner.destination_port) {
    return less_specific("destination", destination_text(match), destination_text(winner));
  }
  if (match.name_kind != winner.name_kind || match.name != winner.name) {
    if (match.name_kind == NameMatcher::Kind::pattern && winner.name_kind == NameMatcher::Kind::pattern) {
      return "later in the file: name " + name_text(match) + " against " + name_text(winner);
    }
    return less_specific("name", name_text(match), name_text(winner));
  }
  if (match.alpn.has_value() != winner.alpn.has_value())
    return less_specific("alpn", "", std::string(*winner.alpn));
  if (match.source != winner.source) {
    return less_specific("source", match.source ? match.source->to_string() : "", winner.source->to_string());
  }
  if (match.protocol != winner.protocol) return less_specific("protocol", "", text_of(*winner.protocol));
  if (match.name_source != winner.name_source) {
    return "less specific: " + key_of(match.name_source) + " against " + key_of(winner.name_source);
  }
  return "offered later by the client: alpn " + std::string(match.alpn.value_or("")) + " against " +
         std::string(winner.alpn.value_or(""));
}

std::string describe_mismatch(const RouteRule& rule, const RouteQuery& query) {
  if (!rule.destinations.empty()) {
    if (!query.destination) {
      return mismatch("destination", rule.destinations, "does not match a connection to a unix socket");
    }
    const auto fits = [&](const DestinationMatcher& matcher) { return matches(matcher, *query.destination); };
    if (std::ranges::none_of(rule.destinations, fits)) {
      const auto has_port = [](const DestinationMatcher& matcher) { return matcher.port.has_value(); };
      const bool ports = std::ranges::any_of(rule.destinations, has_port);
      return mismatch("destination", rule.destinations,
                      "does not match " +
                          (ports ? query.destination->to_string() : query.destination->address.to_string()));
    }
  }
  if (!rule.names.empty()) {
    if (std::string reason = name_mismatch(rule, query); !reason.empty()) return reason;
  }
  if (!rule.alpn.empty()) {
    const auto offered = [&](const std::string& protocol) { return is_offered(protocol, query.alpn); };
    if (std::ranges::none_of(rule.alpn, offered))
      return mismatch("alpn", rule.alpn, "is not offered by the client");
  }
  if (!rule.sources.empty()) {
    if (!query.source) return mismatch("source", rule.sources, "does not match a client without an address");
    const auto covers = [&](const IpPrefix& prefix) { return prefix.contains(*query.source); };
    if (std::ranges::none_of(rule.sources, covers)) {
      return mismatch("source", rule.sources, "does not match " + query.source->to_string());
    }
  }
  if (!rule.protocols.empty() && std::ranges::find(rule.protocols, query.protocol) == rule.protocols.end()) {
    return mismatch("protocol", rule.protocols, "does not match " + text_of(query.protocol));
  }
  return {};
}

}  // namespace portshare
