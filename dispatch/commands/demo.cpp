#include "dispatch/commands/demo.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "command_line/command_line.h"
#include "dispatch/config_reader.h"
#include "dispatch/demo/demo_directory.h"
#include "dispatch/demo/demo_text.h"
#include "dispatch/demo/free_port.h"
#include "dispatch/demo/sample_applications.h"
#include "dispatch/demo/self_signed_certificate.h"
#include "dispatch/demo/tls_server.h"
#include "dispatch/error_log.h"
#include "dispatch/supervisor.h"
#include "platform/engine.h"
#include "platform/signals.h"

namespace portshare {
namespace {

constexpr std::chrono::hours certificate_lifetime = std::chrono::days(7);

std::expected<DemoPorts, std::string> choose_ports(const SampleApplications& applications) {
  const IpAddress first = IpAddress::v4({127, 0, 0, 1});
  const IpAddress second = IpAddress::v4({127, 0, 0, 2});
  const IpAddress ipv6 = *IpAddress::parse("::1");
  std::vector<IpAddress> http_addresses{first, second};
  std::vector<IpAddress> tls_addresses{first};
  DemoPorts ports;
  ports.with_ipv6 = can_listen_on(ipv6);
  if (ports.with_ipv6) {
    http_addresses.push_back(ipv6);
    tls_addresses.push_back(ipv6);
  }
  const auto http = find_free_port(http_addresses, DemoPorts::preferred_http);
  if (!http) return std::unexpected("no port is free on both 127.0.0.1 and 127.0.0.2");
  const auto tls = find_free_port(tls_addresses, DemoPorts::preferred_tls);
  if (!tls) return std::unexpected("no port is free on 127.0.0.1");
  ports.http = *http;
  ports.tls = *tls;
  ports.blue = applications.address(0).to_string();
  ports.green = applications.address(1).to_string();
  ports.secure = applications.address(2).to_string();
  return ports;
}

/// The error is one or more sentences.
std::expected<void, std::string> show() {
  const std::vector<std::string> names{demo_name::secure};
  const auto certificate = make_self_signed_certificate(names, certificate_lifetime);
  if (!certificate) return std::unexpected(certificate.error());
  const auto tls = TlsServer::make(*certificate);
  if (!tls) return std::unexpected(tls.error());
  const auto applications = SampleApplications::start({{"blue"}, {"green"}, {"secure", &*tls}});
  if (!applications) return std::unexpected(applications.error());
  const auto ports = choose_ports(**applications);
  if (!ports) return std::unexpected(ports.error());

  const auto directory = DemoDirectory::make();
  if (!directory) return std::unexpected(directory.error());
  const auto certificate_path = directory->write("cert.pem", certificate->certificate_pem);
  if (!certificate_path) return std::unexpected(certificate_path.error());
  const std::string config_text = demo_config(*ports);
  const auto config_path = directory->write("demo.toml", config_text);
  if (!config_path) return std::unexpected(config_path.error());

  ConfigResult result = read_config(config_text, *config_path);
  if (!result.config) return std::unexpected(result.diagnostics.front().to_string());
  auto engine = make_engine(Engine::epoll);
  if (!engine) return std::unexpected(engine.error().reason);
  Supervisor supervisor(std::move(*engine));
  if (const auto started = supervisor.start(std::move(*result.config)); !started) {
    return std::unexpected(started.error());
  }
  fmt::print("{}", demo_introduction(*ports, config_text, *config_path, *certificate_path));
  // Also into a pipe it comes now, before the first line of the access log.
  if (std::fflush(stdout) != 0) return std::unexpected("cannot write to stdout");
  fmt::print(stderr, "ready\n");
  supervisor.run();
  return {};
}

}  // namespace

int demo_command(std::span<const std::string> arguments) {
  const auto values =
      parse_options({"demo", "[--help]",
                     "Starts three sample applications, two of plain HTTP and one of TLS with a new\n"
                     "certificate, and portshare in front of them, on loopback ports that need no\n"
                     "privilege: 8080 and 8443, or free ones if these are taken. Prints the\n"
                     "configuration and the curl lines to try, and \"ready\" on stderr. Runs in the\n"
                     "foreground, with the access log on stderr, until Ctrl-C."},
                    boost::program_options::options_description("Options"), arguments);
  if (!values) return values.error();
  block_signals();  // before the first thread, which inherits it
  const ErrorLog error_log(LogLevel::warning);
  if (const auto shown = show(); !shown) {
    fmt::print(stderr, "portshare demo: {}\n", shown.error());
    return exit_code::failed;
  }
  return exit_code::fine;
}

}  // namespace portshare
