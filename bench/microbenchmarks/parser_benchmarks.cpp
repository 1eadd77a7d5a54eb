// What it takes to understand the first bytes of a connection, and the head of a response.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/host_name.h"
#include "core/http_head.h"
#include "core/http_response_head.h"
#include "core/tls_hello.h"
#include "tests/core/captured_hellos.h"
#include "tests/core/client_hello_builder.h"

namespace portshare {
namespace {

/// The hello that many clients padded to, because of a load balancer that choked on less: 517 bytes.
test::Bytes small_hello() {
  test::ClientHelloBuilder hello;
  hello.add_server_name("www.example.com").add_alpn({"h2", "http/1.1"});
  constexpr std::size_t wanted = 517;
  constexpr std::size_t extension_header = 4;
  return hello.add_padding(wanted - hello.build().size() - extension_header).build();
}

test::Bytes captured_hello(std::string_view program) {
  const auto& hellos = test::captured_hellos();
  const auto hello = std::ranges::find_if(
      hellos, [&](const test::CapturedHello& candidate) { return candidate.file.starts_with(program); });
  return hello == hellos.end() ? test::Bytes() : hello->bytes;
}

/// `cut`: how many bytes the first of two segments has; 0: all come at once.
void read_hello(benchmark::State& state, const test::Bytes& bytes, std::size_t cut) {
  for ([[maybe_unused]] auto _ : state) {
    TlsHelloReader reader;
    ClientHello hello;
    if (cut != 0) benchmark::DoNotOptimize(reader.read(ByteView(bytes).first(cut), hello));
    if (reader.read(bytes, hello) != Verdict::recognised || hello.server_name.empty()) {
      state.SkipWithError("the hello was not understood");
    }
    benchmark::DoNotOptimize(hello);
  }
  state.SetLabel(std::to_string(bytes.size()) + " bytes");
}

void tls_hello_small(benchmark::State& state) {
  read_hello(state, small_hello(), 0);
}
void tls_hello_chromium(benchmark::State& state) {
  read_hello(state, captured_hello("chromium-"), 0);
}
void tls_hello_firefox(benchmark::State& state) {
  read_hello(state, captured_hello("firefox-"), 0);
}
/// Where the segment of an Ethernet path ends.
void tls_hello_chromium_in_two(benchmark::State& state) {
  constexpr std::size_t segment = 1448;
  read_hello(state, captured_hello("chromium-"), segment);
}
BENCHMARK(tls_hello_small);
BENCHMARK(tls_hello_chromium);
BENCHMARK(tls_hello_chromium_in_two);
BENCHMARK(tls_hello_firefox);

constexpr std::string_view curl_head =
    "GET /index.html HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: curl/7.88.1\r\n"
    "Accept: */*\r\n\r\n";

constexpr std::string_view browser_head =
    "GET /account/orders?page=2&sort=date HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-User: ?1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Referer: http://www.example.com/account/orders?page=1&sort=date\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; consent=eyJhbmFseXRpY3MiOmZhbHNlfQ; theme=dark; "
    "cart=c9f0f895fb98ab9159f51fd0297e236d\r\n"
    "If-None-Match: W/\"1a2b-18c3f0a7d40\"\r\n"
    "If-Modified-Since: Tue, 04 Nov 2025 10:11:12 GMT\r\n"
    "DNT: 1\r\n\r\n";

constexpr std::string_view response_head =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Tue, 04 Nov 2025 10:11:12 GMT\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 6543\r\n"
    "Last-Modified: Mon, 03 Nov 2025 09:08:07 GMT\r\n"
    "Connection: keep-alive\r\n"
    "ETag: \"1a2b-18c3f0a7d40\"\r\n"
    "Cache-Control: private, max-age=0, must-revalidate\r\n"
    "Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Accept-Ranges: bytes\r\n\r\n";

void read_request(benchmark::State& state, std::string_view text) {
  for ([[maybe_unused]] auto _ : state) {
    HttpHeadReader reader;
    HttpHead head;
    if (reader.read(as_bytes(text), head) != Verdict::recognised) {
      state.SkipWithError("the request was not understood");
    }
    benchmark::DoNotOptimize(head);
  }
  state.SetLabel(std::to_string(text.size()) + " bytes");
}
void http_head_curl(benchmark::State& state) {
  read_request(state, curl_head);
}
void http_head_browser(benchmark::State& state) {
  read_request(state, browser_head);
}
BENCHMARK(http_head_curl);
BENCHMARK(http_head_browser);

void http_response_head(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    HttpResponseHeadReader reader;
    HttpResponseHead head;
    if (reader.read(as_bytes(response_head), head) != Verdict::recognised) {
      state.SkipWithError("the response was not understood");
    }
    benchmark::DoNotOptimize(head);
  }
  state.SetLabel(std::to_string(response_head.size()) + " bytes");
}
BENCHMARK(http_response_head);

void host_name(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    const auto name = HostName::from_server_name("www.Internal-1.example.com");
    if (!name) state.SkipWithError("the name was not understood");
    benchmark::DoNotOptimize(name);
  }
}
BENCHMARK(host_name);

}  // namespace
}  // namespace portshare
