// The rules of the file, compiled once into a table that finds the most specific route of a connection.
//
// Precedence, never the file's order: destination (address and port, address, longest prefix, none), then
// name (exact, longest wildcard, regex in file order, none), then ALPN, source (longest prefix), protocol.
// The order is lexicographic: where no rule of the most specific destination matches the rest of a
// connection, the next destination is tried, and so with names. Regexes of the same text in rules of one
// listener and destination are one, at the place of the first. Among equals in all this, `sni` or `host`
// beats `name`, and then, of two ALPN routes, the one wins whose protocol the client offered first.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/ip_address.h"
#include "core/protocol.h"

namespace portshare {

/// A regular expression over names; the implementation comes from outside, core has none. Called from several
/// threads.
class NamePattern {
 public:
  virtual ~NamePattern() = default;
  [[nodiscard]] virtual bool matches(std::string_view name) const = 0;
  [[nodiscard]] virtual std::string_view text() const = 0;  ///< as the file has it, with "~"
};

/// Which names a rule looks at: `name` is SNI or Host, the others one of them alone.
enum class NameSource : std::uint8_t { either, sni, host };

struct DestinationMatcher {
  IpPrefix prefix;
  std::optional<std::uint16_t> port;  ///< only with a full-length prefix
};

struct NameMatcher {
  enum class Kind : std::uint8_t { exact, wildcard, pattern };
  Kind kind = Kind::exact;
  std::string text;                            ///< normalised; a wildcard without its "*."
  std::shared_ptr<const NamePattern> pattern;  ///< only for `pattern`
};

/// One `[[route]]` of the file, normalised. An empty vector is a matcher that was not given. All that are
/// given must match.
struct RouteRule {
  static constexpr std::uint32_t reject = UINT32_MAX;

  std::vector<std::uint32_t> listeners;  ///< indices; empty: every listener
  std::vector<DestinationMatcher> destinations;
  NameSource name_source = NameSource::either;
  std::vector<NameMatcher> names;
  std::vector<std::string> alpn;
  std::vector<IpPrefix> sources;
  std::vector<Protocol> protocols;
  std::uint32_t backend = reject;  ///< index, or `reject`
  std::uint32_t line = 0;          ///< in the file, of the `[[route]]`
};

/// What is known of a connection when it is routed. Owns nothing.
struct RouteQuery {
  std::optional<IpEndpoint> destination;  ///< none: accepted on a unix socket
  std::optional<IpAddress> source;
  Protocol protocol = Protocol::any;
  std::string_view name;                        ///< normalised (HostName::view); empty: none
  NameSource name_source = NameSource::either;  ///< where `name` comes from: sni or host
  bool name_is_address = false;                 ///< an SNI that is an address literal matches no name matcher
  ByteView alpn;  ///< ProtocolNameList of the ClientHello, entries with a length byte each
};

/// The part of a rule that the data path needs.
struct Route {
  std::uint32_t backend;
  std::uint32_t line;
};

/// Two rules that the same connection would match equally well: an error of the file. A rule for every
/// listener and one for a listener of that name are two such rules, too, because the listener makes no rule
/// more specific.
struct RouteConflict {
  std::uint32_t rule;     ///< index of the later one; the same as `earlier` if one rule gives a matcher twice
  std::uint32_t earlier;  ///< index of the one that was there
  std::string matchers;   ///< in words, what both match
};

/// Why a rule does not get a connection.
struct RouteCandidate {
  std::uint32_t rule;  ///< index in the vector given to build()
  bool won;
  std::string reason;  ///< "destination 192.0.2.20 does not match 127.0.0.1", "less specific: name
                       ///< *.example.com against example.com", …
};

struct RouteIndex;

/// Immutable after build; look-ups from any number of threads, without allocation (a NamePattern may have its
/// own).
class RouteTable {
 public:
  RouteTable();
  RouteTable(RouteTable&&) noexcept;
  RouteTable& operator=(RouteTable&&) noexcept;
  ~RouteTable();

  /// `listener_count`: indices in the rules are below it. A million rules, or one rule with a million names,
  /// take well under a second. All conflicts are reported (at most 100), not only the first. `hash_seed` is
  /// best taken from a random source, so that nobody can choose names that are slow to look up.
  static std::expected<RouteTable, std::vector<RouteConflict>> build(const std::vector<RouteRule>& rules,
                                                                     std::uint32_t listener_count,
                                                                     std::uint64_t hash_seed = 0);

  /// The most specific route; null: none matches. Valid as long as the table is.
  [[nodiscard]] const Route* find(std::uint32_t listener, const RouteQuery& query) const;

  /// The winner and why each other rule of this listener lost, winner first, by the search that find() does.
  /// `rules` are those given to build(). At most `limit` candidates; rules that match and lost come before
  /// rules that do not match.
  [[nodiscard]] std::vector<RouteCandidate> explain(std::uint32_t listener, const RouteQuery& query,
                                                    const std::vector<RouteRule>& rules,
                                                    std::size_t limit = 100) const;

 private:
  std::unique_ptr<const RouteIndex> index_;  // null: a table without rules and listeners, which finds nothing
};

}  // namespace portshare
