#include "bench/load_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <utility>

#include "bench/quantities.h"
#include "bench/targets.h"
#include "command_line/command_line.h"
#include "core/suggestion.h"
#include "platform/cpu.h"

namespace portshare {
namespace {

namespace po = boost::program_options;
using Error = std::unexpected<std::string>;

template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

constexpr std::array arrivals_words{Word{"uniform", Arrivals::uniform}, Word{"poisson", Arrivals::poisson}};
constexpr std::array close_words{Word{"orderly", CloseMode::orderly}, Word{"reset", CloseMode::reset}};
constexpr std::array direction_words{Word{"download", BulkDirections{.download = true, .upload = false}},
                                     Word{"upload", BulkDirections{.download = false, .upload = true}},
                                     Word{"both", BulkDirections{.download = true, .upload = true}}};
constexpr std::array engine_words{Word{"auto", std::optional<Engine>()},
                                  Word{"io_uring", std::optional(Engine::io_uring)},
                                  Word{"epoll", std::optional(Engine::epoll)}};

/// Reads options into values; the first fault stays.
class OptionReader {
 public:
  explicit OptionReader(const po::variables_map& values) : values_(values) {}

  [[nodiscard]] const std::string* text(const char* name) const {
    return values_.contains(name) ? option_value<std::string>(values_, name) : nullptr;
  }
  [[nodiscard]] bool is_default(const char* name) const { return values_[name].defaulted(); }
  [[nodiscard]] bool flag(const char* name) const {
    return values_.contains(name) && values_[name].as<bool>();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* name) const {
    const auto* list =
        values_.contains(name) ? option_value<std::vector<std::string>>(values_, name) : nullptr;
    return list ? *list : std::vector<std::string>();
  }

  nanoseconds duration(const char* name) {
    return parsed(name, parse_duration, "a duration such as '10s' or '250ms'").value_or(nanoseconds{});
  }
  std::uint64_t size(const char* name) {
    return parsed(name, parse_size, "a number, or a size such as '64KiB'").value_or(0);
  }
  unsigned number(const char* name, unsigned least) {
    const std::uint64_t value = size(name);
    constexpr std::uint64_t most = 10'000'000;
    if (text(name) && (value < least || value > most))
      fail(fmt::format("--{} takes a number from {} to {}", name, least, most));
    return static_cast<unsigned>(value);
  }
  template <typename Words>
  auto choice(const char* name, const Words& words) {
    const std::string& given = *text(name);
    const auto found = std::ranges::find(words, given, &Words::value_type::word);
    if (found != words.end()) return found->value;
    std::string all;
    for (const auto& each : words) all += fmt::format("{}'{}'", all.empty() ? "" : ", ", each.word);
    fail(fmt::format("--{}: '{}' is none of {}{}", name, given, all,
                     suggest(given, words, &Words::value_type::word)));
    return words.front().value;
  }
  void fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  template <typename Value>
  std::optional<Value> parsed(const char* name, std::optional<Value> (*parse)(std::string_view),
                              std::string_view what) {
    const std::string* given = text(name);
    if (!given) return std::nullopt;
    const auto value = parse(*given);
    if (!value) fail(fmt::format("--{}: '{}' is not {}", name, *given, what));
    return value;
  }

  const po::variables_map& values_;
  std::string error_;
};

po::typed_value<std::string>* with_default(const std::string& value) {
  return po::value<std::string>()->default_value(value);
}

std::expected<std::vector<std::string>, std::string> read_names_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error(fmt::format("--names: cannot read {}", path));
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line.front() != '#') names.push_back(line);
  }
  if (names.empty()) return Error(fmt::format("--names: {} has no names", path));
  return names;
}

void read_first_bytes(OptionReader& reader, FirstBytesSettings& first) {
  using Kind = FirstBytesSettings::Kind;
  const std::string* raw = reader.text("raw");
  const bool is_tls = reader.flag("tls") || reader.flag("post-quantum");
  if (is_tls + reader.flag("http") + (raw != nullptr) > 1)
    reader.fail("--tls, --http and --raw exclude each other");
  first.names = reader.texts("name");
  if (const std::string* path = reader.text("names")) {
    if (auto names = read_names_file(*path))
      first.names.insert(first.names.end(), names->begin(), names->end());
    else
      reader.fail(std::move(names.error()));
  }
  for (const std::string& name : first.names) {
    if (name.size() > ClientHelloTemplate::longest_name)
      reader.fail(
          fmt::format("the name '{}' has more than {} characters", name, ClientHelloTemplate::longest_name));
  }
  first.names_in_turn = reader.flag("in-turn");
  if (is_tls) {
    first.kind = Kind::tls;
    if (reader.flag("post-quantum")) first.hello_style = HelloStyle::post_quantum;
    if (const auto alpn = reader.texts("alpn"); !alpn.empty()) first.alpn = alpn;
    std::erase(first.alpn, "");
    if (std::ranges::any_of(first.alpn, [](const std::string& name) { return name.size() > 255; }))
      reader.fail("--alpn: a protocol's name has at most 255 characters");
  } else if (reader.flag("http")) {
    first.kind = Kind::http;
    first.path = *reader.text("path");
  } else if (raw) {
    first.kind = Kind::raw;
    if (auto bytes = parse_raw_bytes(*raw))
      first.raw = std::move(*bytes);
    else
      reader.fail(std::move(bytes.error()));
  } else if (!first.names.empty()) {
    reader.fail("a name needs --tls or --http, in whose first bytes it stands");
  }
}

void read_until(OptionReader& reader, ReplyEnd& until) {
  const std::string& text = *reader.text("until");
  if (text == "first-byte") {
    until.kind = ReplyEnd::Kind::first_byte;
  } else if (text == "end") {
    until.kind = ReplyEnd::Kind::end_of_stream;
    if (reader.text("expect")) until.bytes = reader.size("expect");
  } else if (const auto bytes = parse_size(text); bytes && *bytes > 0) {
    until = {.kind = ReplyEnd::Kind::bytes, .bytes = *bytes};
  } else {
    reader.fail(fmt::format("--until: '{}' is neither 'first-byte' nor 'end' nor a number of bytes", text));
  }
}

void read_rate(OptionReader& reader, LoadSettings& settings) {
  const std::string* text = reader.text("rate");
  if (!text) return;
  std::string_view number = *text;
  if (number.ends_with("/s")) number.remove_suffix(2);
  const auto rate = parse_size(number);
  if (!rate || *rate == 0)
    reader.fail(fmt::format("--rate: '{}' is not a rate such as '5000' or '5k'", *text));
  settings.rate = static_cast<double>(rate.value_or(0));
}

/// The end of a run: duration, count, or both.
void read_extent(OptionReader& reader, LoadSettings& settings) {
  settings.duration = reader.duration("duration");
  if (settings.duration == nanoseconds{}) reader.fail("--duration: longer than 0s");
  settings.warm_up = reader.duration("warm-up");
  settings.count = reader.size("count");
  if (settings.count == 0) return;
  if (reader.is_default("duration")) settings.duration = nanoseconds{};
  if (settings.warm_up != nanoseconds{} && !reader.is_default("warm-up"))
    reader.fail("--warm-up and --count exclude each other: what warms up would count");
  settings.warm_up = nanoseconds{};
}

}  // namespace

void add_engine_option(po::options_description& options) {
  options.add_options()("engine", with_default("auto")->value_name("ENGINE"), "auto, io_uring or epoll");
}

std::expected<Engine, std::string> read_engine(const po::variables_map& values) {
  OptionReader reader(values);
  const std::optional<Engine> engine = reader.choice("engine", engine_words);
  if (!reader.error().empty()) return Error(reader.error());
  if (engine) return *engine;
  const auto unavailable = probe_engine(Engine::io_uring);
  if (!unavailable) return Engine::io_uring;
  if (unavailable->may_fall_back) return Engine::epoll;
  return Error("io_uring: " + unavailable->reason);
}

void add_load_options(LoadKind kind, po::options_description& options, const LoadDefaults& defaults) {
  const auto text = [](const char* placeholder) { return po::value<std::string>()->value_name(placeholder); };
  const auto texts = [](const char* placeholder) {
    return po::value<std::vector<std::string>>()->value_name(placeholder);
  };
  auto add = options.add_options();
  add("tls", po::bool_switch(), "first bytes: a TLS ClientHello with SNI and ALPN, 517 bytes");
  add("post-quantum", po::bool_switch(), "first bytes: one with an X25519MLKEM768 key share, 1800 bytes");
  add("alpn", texts("PROTOCOL"), "offer this one in the ClientHello, '' for none (h2, http/1.1); repeatable");
  add("http", po::bool_switch(), "first bytes: GET with a Host, and Connection: close");
  add("path", with_default("/")->value_name("PATH"), "what GET asks for");
  add("raw", text("BYTES"), "first bytes: 'hex:0d0a', @FILE, or text with \\r \\n \\t \\\\ \\xHH");
  add("name", texts("NAME"), "SNI or Host; repeatable: drawn for each connection");
  add("names", text("FILE"), "names, one per line");
  add("in-turn", po::bool_switch(), "take the names in turn instead of drawing them");
  add("seed", with_default("1")->value_name("N"), "of everything that is drawn");
  add("connections,c",
      with_default(kind == LoadKind::bulk   ? "4"
                   : kind == LoadKind::idle ? "10000"
                                            : "64")
          ->value_name("N"),
      kind == LoadKind::idle ? "how many to open and hold" : "at a time, of all threads together");
  add("threads,t", with_default("1")->value_name("N"), "threads, each with its loop; 0: one per CPU");
  add("timeout", with_default("10s")->value_name("TIME"), "what takes longer has failed");
  switch (kind) {
    case LoadKind::idle:
      add("duration,d", with_default(defaults.duration)->value_name("TIME"), "how long to hold them");
      add("opening", with_default("64")->value_name("N"), "how many are being opened at a time");
      add("first-reply", text("BYTES"), "a connection counts as established when so much has come (0)");
      return;
    case LoadKind::bulk:
      add("bytes", text("SIZE"), "end after so many in each direction, too");
      add("direction", with_default("download")->value_name("WHICH"), "download, upload or both");
      break;
    case LoadKind::slow:
      add("slow-clients", with_default("100")->value_name("N"), "how many send their first bytes slowly");
      add("interval", with_default("1s")->value_name("TIME"), "between two of those bytes");
      add("rate,r", with_default("100")->value_name("N"), "connections per second of the good clients");
      break;
    case LoadKind::connections:
    case LoadKind::ping_pong:
      add("rate,r", text("N"), "open loop: start so many per second, on a schedule fixed in advance");
      break;
  }
  add("duration,d", with_default(defaults.duration)->value_name("TIME"), "how long to measure");
  add("warm-up", with_default(defaults.warm_up)->value_name("TIME"), "how long to run before that");
  if (kind == LoadKind::bulk) return;
  add("arrivals", with_default("uniform")->value_name("WHICH"), "of an open loop: uniform or poisson");
  add("count,n", text("N"),
      kind == LoadKind::ping_pong ? "end after so many messages" : "end after so many connections");
  if (kind == LoadKind::ping_pong) {
    add("size", with_default("64")->value_name("BYTES"), "of a message");
    add("first-reply", text("BYTES"), "how many answer the first bytes (as many as those are)");
    return;
  }
  add("until", with_default("first-byte")->value_name("WHEN"),
      "a reply is complete at its 'first-byte', its 'end', or after so many bytes");
  add("expect", text("BYTES"), "with --until end: a reply of fewer is an error (1)");
  add("close", with_default("orderly")->value_name("HOW"),
      "where the client closes first: orderly, or reset, which leaves no port in TIME_WAIT");
}

std::expected<LoadSettings, std::string> read_load_settings(LoadKind kind, const po::variables_map& values,
                                                            std::span<const std::string> targets) {
  LoadSettings settings;
  settings.kind = kind;
  if (targets.empty()) return Error("which target? such as 127.0.0.1:443");
  for (const std::string& text : targets) {
    auto target = parse_target(text);
    if (!target) return Error(std::move(target.error()));
    settings.targets.push_back(std::move(*target));
  }
  const auto engine = read_engine(values);
  if (!engine) return Error(engine.error());
  settings.engine = *engine;

  OptionReader reader(values);
  read_first_bytes(reader, settings.first_bytes);
  settings.seed = reader.size("seed");
  settings.connections = reader.number("connections", 1);
  const unsigned threads = reader.number("threads", 0);
  settings.threads = std::min(threads == 0 ? usable_cpu_count() : threads, settings.connections);
  settings.timeout = std::chrono::ceil<std::chrono::milliseconds>(reader.duration("timeout"));
  if (settings.timeout == std::chrono::milliseconds{}) reader.fail("--timeout: longer than 0s");
  read_extent(reader, settings);
  if (kind == LoadKind::bulk) {
    settings.count = reader.size("bytes");
    settings.directions = reader.choice("direction", direction_words);
  }
  if (kind == LoadKind::idle) settings.opening = reader.number("opening", 1);
  if (kind == LoadKind::idle || kind == LoadKind::ping_pong) {
    if (reader.text("first-reply")) settings.first_reply = reader.size("first-reply");
  }
  if (kind == LoadKind::connections || kind == LoadKind::slow || kind == LoadKind::ping_pong) {
    read_rate(reader, settings);
    settings.arrivals = reader.choice("arrivals", arrivals_words);
  }
  if (kind == LoadKind::connections || kind == LoadKind::slow) {
    read_until(reader, settings.until);
    settings.close_mode = reader.choice("close", close_words);
  }
  if (kind == LoadKind::ping_pong) settings.message_size = reader.number("size", 1);
  if (kind == LoadKind::slow) {
    settings.slow_clients = reader.number("slow-clients", 1);
    settings.interval = std::chrono::ceil<std::chrono::milliseconds>(reader.duration("interval"));
    if (settings.first_bytes.kind == FirstBytesSettings::Kind::none)
      reader.fail("slow clients need first bytes: --tls, --http or --raw");
  }
  if (!reader.error().empty()) return Error(reader.error());
  return settings;
}

}  // namespace portshare
