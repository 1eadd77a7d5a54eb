#include "dispatch/config_reader.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <expected>
#include <memory>
#include <utility>

#include "dispatch/backend_reader.h"
#include "dispatch/listener_reader.h"
#include "dispatch/loops.h"
#include "dispatch/route_reader.h"
#include "dispatch/server_reader.h"
#include "dispatch/setting_reader.h"
#include "dispatch/toml_document.h"

namespace portshare {
namespace {

/// Names of listeners and backends stand in log lines and metric labels.
void check_names(NameIndex& index, std::string_view kind, DiagnosticList& diagnostics) {
  for (const NameIndex::Definition& definition : index.definitions()) {
    if (definition.name.empty())
      diagnostics.error(definition.position, fmt::format("a {} without a name", kind));
  }
}

/// The document's sections, found by their keys.
struct Sections {
  const SettingReader& settings;
  const toml::table* server = nullptr;
  const toml::table* listeners = nullptr;
  const toml::table* backends = nullptr;
  const toml::table* share = nullptr;
  const toml::array* routes = nullptr;

  void find_routes(const Setting& setting) {
    routes = setting.value.as_array();
    if (routes == nullptr) settings.fault(setting, "must be an array of tables; write [[route]]");
  }
};

using Key = KnownKey<Sections>;
constexpr std::array section_keys{
    Key{"server", [](Sections& sections,
                     const Setting& setting) { sections.server = sections.settings.table(setting); }},
    Key{"listener", [](Sections& sections,
                       const Setting& setting) { sections.listeners = sections.settings.table(setting); }},
    Key{"route", [](Sections& sections, const Setting& setting) { sections.find_routes(setting); }},
    Key{"backend", [](Sections& sections,
                      const Setting& setting) { sections.backends = sections.settings.table(setting); }},
    Key{"share", [](Sections& sections,
                    const Setting& setting) { sections.share = sections.settings.table(setting); }},
};

void warn_about_the_useless(const Config& config, const RouteCoverage& coverage, NameIndex& backends,
                            NameIndex& listeners, DiagnosticList& diagnostics) {
  for (const NameIndex::Definition& backend : backends.definitions()) {
    if (!backend.used) {
      diagnostics.warning(backend.position, fmt::format("nothing uses the backend '{}'", backend.name));
    }
  }
  if (coverage.every_listener) return;
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const bool has_default = listeners.definitions()[i].table->is_table() &&
                             listeners.definitions()[i].table->as_table()->contains("default");
    if (has_default || coverage.listeners[i]) continue;
    diagnostics.warning(
        listeners.definitions()[i].position,
        fmt::format("the listener '{}' refuses every connection: it has no route and no default",
                    config.listeners[i].name));
  }
}

/// The monitor and the admin socket are bound beside the listeners.
void check_server_addresses(const ServerConfig& server, const toml::table& table, BoundAddresses bound,
                            DiagnosticList& diagnostics) {
  const auto check = [&](const char* key, const std::optional<SocketAddress>& address) {
    const toml::node* const node = table.get(key);
    if (node == nullptr || !address) return;
    const FilePosition position = position_of(*node);
    if (const auto* const earlier = bound.find_overlap(*address)) {
      const std::string what = fmt::format("'{}'", address->to_string());
      diagnostics.error(position, describe_overlap(key, what, *address, *earlier));
    }
    bound.addresses.emplace(*address, BoundAddress{.position = position, .except = {}});
  };
  check("admin", server.admin.address);
  check("monitor", server.monitor);
}

Config read_document(const toml::table& document, DiagnosticList& diagnostics) {
  const SettingReader settings(diagnostics);
  Sections sections{settings};
  read_table<Sections>(document, "the file", section_keys, sections, settings);

  Config config;
  NameIndex listeners("listener", sections.listeners);
  NameIndex backends("backend", sections.backends);
  check_names(listeners, "listener", diagnostics);
  check_names(backends, "backend", diagnostics);

  if (sections.server != nullptr) read_server(*sections.server, settings, config.server);
  if (sections.share != nullptr) check_share(*sections.share, settings);
  for (const auto& definition : backends.definitions()) {
    config.backends.push_back(read_backend(definition, settings));
  }
  BoundAddresses bound;
  for (const auto& definition : listeners.definitions()) {
    config.listeners.push_back(read_listener(definition, settings, backends, bound));
  }
  if (config.listeners.empty()) {
    diagnostics.error({1, 1}, "the file has no listener; add [listener.NAME] with bind = [\"*:443\"], say");
  }

  if (sections.server != nullptr) check_server_addresses(config.server, *sections.server, bound, diagnostics);

  RouteCoverage coverage;
  coverage.listeners.resize(config.listeners.size());
  if (sections.routes != nullptr) {
    config.rules = read_routes(*sections.routes, settings, listeners, backends, coverage);
    config.routes = build_routes(config.rules, config.listeners.size(), *sections.routes, diagnostics);
    if (!config.listeners.empty()) warn_about_dead_routes(config, *sections.routes, diagnostics);
  } else {
    config.routes = build_routes({}, config.listeners.size(), {}, diagnostics);
  }
  summarise_rules(config);
  check_loops(config, diagnostics);
  warn_about_the_useless(config, coverage, backends, listeners, diagnostics);
  return config;
}

std::expected<std::string, std::string> read_whole_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return std::unexpected(std::string(std::strerror(errno)));
  std::string text;
  std::array<char, 65536> chunk;
  while (std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
    text.append(chunk.data(), std::fread(chunk.data(), 1, chunk.size(), file.get()));
  }
  if (std::ferror(file.get()) != 0) return std::unexpected(std::string(std::strerror(errno)));
  return text;
}

}  // namespace

ConfigResult read_config(std::string_view text, const std::string& file) {
  DiagnosticList diagnostics(file);
  ConfigResult result;
  const toml::parse_result parsed = toml::parse(text);
  if (parsed.failed()) {
    diagnostics.error(position_of(parsed.error().source()), std::string(parsed.error().description()));
  } else {
    Config config = read_document(parsed.table(), diagnostics);
    config.file = file;
    if (diagnostics.error_count() == 0) result.config = std::move(config);
  }
  result.diagnostics = diagnostics.take_sorted();
  return result;
}

ConfigResult read_config_file(const std::string& path) {
  const auto text = read_whole_file(path);
  if (text) return read_config(*text, path);
  ConfigResult result;
  result.diagnostics.push_back({Severity::error, path, {}, "cannot read the file: " + text.error()});
  return result;
}

}  // namespace portshare
