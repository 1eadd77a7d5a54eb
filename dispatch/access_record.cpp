#include "dispatch/access_record.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace portshare {
namespace {

using std::chrono::microseconds;

bool needs_escape(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\';
}

/// In the text format.
bool needs_quotes(char c) {
  return c == ' ' || c == '=' || c == '"' || c == '\\';
}

// A client chooses some of these bytes (ALPN may be any), so whatever could end a string or a line is
// escaped, and bytes that are not ASCII are shown as the code point of the same number: a line is always
// valid JSON and valid UTF-8.
void append_escaped(std::string_view text, std::string& out) {
  for (;;) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if(text, needs_escape) - text.begin());
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    const char c = text[plain];
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), FMT_COMPILE("\\u{:04x}"), static_cast<unsigned char>(c));
    }
    text.remove_prefix(plain + 1);
  }
}

// Writes the fields of one line. The two formats differ only in what stands around keys and values.
class Fields {
 public:
  Fields(AccessLogFormat format, std::string& out) : is_json_(format == AccessLogFormat::json), out_(out) {}

  /// An empty value is an absent one.
  void text(std::string_view key, std::string_view value) {
    if (value.empty()) {
      number(key, is_json_ ? "null" : "-");
      return;
    }
    const bool quoted = is_json_ || std::ranges::any_of(value, needs_quotes);
    begin(key);
    if (quoted) out_.push_back('"');
    append_escaped(value, out_);
    if (quoted) out_.push_back('"');
  }

  void number(std::string_view key, std::string_view digits) {
    begin(key);
    out_.append(digits);
  }

  void number(std::string_view key, std::uint64_t value) { number(key, fmt::format_int(value).str()); }

  /// With three decimals; a negative duration is an absent one.
  void milliseconds(std::string_view key, microseconds duration) {
    if (duration < microseconds{0}) {
      text(key, "");
    } else {
      number(key, fmt::format(FMT_COMPILE("{}.{:03}"), duration.count() / 1000, duration.count() % 1000));
    }
  }

  void end() { out_.append(is_json_ ? "}\n" : "\n"); }

 private:
  void begin(std::string_view key) {
    if (is_json_) {
      out_.append(is_first_ ? "{\"" : ",\"").append(key).append("\":");
    } else {
      out_.append(is_first_ ? "" : " ").append(key).append("=");
    }
    is_first_ = false;
  }

  bool is_json_;
  bool is_first_ = true;
  std::string& out_;
};

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<microseconds>(time - day));
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z"), static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace

void format_access_line(const Config& config, const ServerPool& servers, const AccessRecord& record,
                        std::string_view name, std::string_view alpn, std::string& out) {
  const bool has_backend = record.backend != AccessRecord::none;
  const bool has_server = has_backend && record.server != AccessRecord::none;
  Fields fields(config.server.log.format, out);
  fields.text("time", rfc3339(record.time));
  fields.text("listener", config.listeners[record.listener].name);
  // A client that was gone before it could be asked has no address any more, and the destination has.
  const std::string_view without_client = record.has_destination ? "" : "unix:";
  fields.text("client", record.has_client ? record.client.to_string() : without_client);
  fields.text("destination", record.has_destination ? record.destination.to_string() : "unix:");
  fields.text("protocol", record.knows_protocol ? to_string(record.protocol) : "");
  fields.text("tls", to_string(record.tls));
  fields.text("name", name);
  fields.text("alpn", alpn);
  fields.text("route", record.route_line != AccessRecord::none
                           ? fmt::format(FMT_COMPILE("{}:{}"), config.file, record.route_line)
                           : "");
  fields.text("backend", has_backend ? config.backends[record.backend].name : "");
  fields.text("server", has_server ? servers.servers(record.backend)[record.server].text : "");
  fields.text("lane", has_backend ? "relay" : "");
  fields.number("bytes_in", record.bytes_in);
  fields.number("bytes_out", record.bytes_out);
  fields.milliseconds("first_flight_ms", record.first_flight);
  fields.milliseconds("connect_ms", record.connect);
  fields.milliseconds("duration_ms", record.duration);
  fields.text("outcome", to_string(record.outcome));
  fields.end();
}

}  // namespace portshare
