#include "dispatch/demo/demo_text.h"

#include <fmt/format.h>

#include <string_view>

#include "dispatch/demo/http_conversation.h"

namespace portshare {
namespace {

using fmt::arg;

constexpr std::string_view config_template = R"([server]
admin = "off"
log = {{ level = "warning", access = "stderr", format = "text" }}
shutdown_timeout = "1s"

[listener.web]
bind = ["127.0.0.1:{http}", "127.0.0.2:{http}"{http_ipv6}]
protocols = ["http"]

[listener.tls]
bind = ["127.0.0.1:{tls}"{tls_ipv6}]
protocols = ["tls"]

[[route]]
listener = ["web"]
host = ["{blue_name}"]
to = "blue"

[[route]]
listener = ["web"]
host = ["{green_name}"]
to = "green"

[[route]]
listener = ["web"]
destination = ["127.0.0.2"]
to = "green"

[[route]]
listener = ["tls"]
sni = ["{secure_name}"]
to = "secure"

[backend.blue]
servers = ["{blue}"]

[backend.green]
servers = ["{green}"]

[backend.secure]
servers = ["{secure}"]
)";

constexpr std::string_view introduction_template =
    R"(Three applications, each on a port of its own that nobody needs to know:

  blue    {blue:<16} HTTP
  green   {green:<16} HTTP
  secure  {secure:<16} HTTPS, with its own certificate and key

portshare is in front of them with this configuration,
{config_path}:

{config}
Try it in another terminal.

The Host decides which application gets a connection:

  curl http://{blue_name}:{http}/
    prints "{blue_page}"
  curl http://{green_name}:{http}/
    prints "{green_page}"

The address that was connected to decides, whatever the Host (a destination
is more specific than a name; the order of the routes never matters):

  curl http://127.0.0.2:{http}/
    prints "{address_page}"
  curl -H 'Host: {blue_name}' http://127.0.0.2:{http}/
    prints "{both_page}"

The SNI decides. portshare has no key and decrypts nothing: the certificate
that curl verifies is the application's.

  curl --cacert {certificate_path} https://{secure_name}:{tls}/
    prints "{secure_page}"

A name that no route has reaches no application; portshare itself says no:

  curl -i http://{nobody_name}:{http}/
    prints "HTTP/1.1 421 Misdirected Request"

curl knows by itself that *.localhost is this host, from its version 7.85 on.
An older one needs: --resolve {blue_name}:{http}:127.0.0.1
{taken}
Each connection leaves a line below, the access log. Ctrl-C ends the demo.

)";

std::string indent(std::string_view text) {
  std::string indented;
  while (!text.empty()) {
    const std::size_t length = text.find('\n') + 1;
    indented.append(length > 1 ? "  " : "").append(text.substr(0, length));
    text.remove_prefix(length);
  }
  return indented;
}

/// A word of a shell command.
std::string quote(const std::string& word) {
  constexpr std::string_view harmless =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+,:@";
  if (word.find_first_not_of(harmless) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

/// The page without its newline.
std::string page(std::string_view application, std::string_view host) {
  std::string text = sample_page(application, host);
  text.pop_back();
  return text;
}

std::string describe_taken(std::uint16_t preferred, std::uint16_t port) {
  if (port == preferred) return "";
  return fmt::format("\nPort {} is not free on this host; {} takes its place.\n", preferred, port);
}

}  // namespace

std::string demo_config(const DemoPorts& ports) {
  const auto ipv6 = [&](std::uint16_t port) {
    return ports.with_ipv6 ? fmt::format(", \"[::1]:{}\"", port) : "";
  };
  return fmt::format(config_template, arg("http", ports.http), arg("http_ipv6", ipv6(ports.http)),
                     arg("tls", ports.tls), arg("tls_ipv6", ipv6(ports.tls)),
                     arg("blue_name", demo_name::blue), arg("green_name", demo_name::green),
                     arg("secure_name", demo_name::secure), arg("blue", ports.blue),
                     arg("green", ports.green), arg("secure", ports.secure));
}

std::string demo_introduction(const DemoPorts& ports, const std::string& config,
                              const std::string& config_path, const std::string& certificate_path) {
  return fmt::format(
      introduction_template, arg("blue", ports.blue), arg("green", ports.green), arg("secure", ports.secure),
      arg("config_path", config_path), arg("config", indent(config)), arg("http", ports.http),
      arg("tls", ports.tls), arg("blue_name", demo_name::blue), arg("green_name", demo_name::green),
      arg("secure_name", demo_name::secure), arg("nobody_name", demo_name::nobody),
      arg("certificate_path", quote(certificate_path)), arg("blue_page", page("blue", demo_name::blue)),
      arg("green_page", page("green", demo_name::green)), arg("address_page", page("green", "127.0.0.2")),
      arg("both_page", page("green", demo_name::blue)), arg("secure_page", page("secure", demo_name::secure)),
      arg("taken", describe_taken(DemoPorts::preferred_http, ports.http) +
                       describe_taken(DemoPorts::preferred_tls, ports.tls)));
}

}  // namespace portshare
