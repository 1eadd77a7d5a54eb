#include "dispatch/refusal.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/h2_frame.h"

namespace portshare {
namespace {

// A fatal alert in a record of its own (RFC 8446, 5.1 and 6): content type 21, legacy record version 3.1,
// which every version of TLS takes before a version is agreed, two bytes.
using Alert = std::array<std::uint8_t, 7>;
constexpr Alert fatal_alert(std::uint8_t description) {
  return {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, description};
}
constexpr Alert decode_error = fatal_alert(50);
constexpr Alert internal_error = fatal_alert(80);
constexpr Alert unrecognized_name = fatal_alert(112);  // RFC 6066, section 3

ByteView alert_for(Outcome outcome) {
  switch (outcome) {
    case Outcome::no_route:
    case Outcome::rejected:
      return unrecognized_name;
    case Outcome::malformed:
    case Outcome::too_large:
      return decode_error;
    case Outcome::refused:
    case Outcome::connect_timeout:
    case Outcome::unavailable:
      return internal_error;
    default:
      return {};
  }
}

// The body is for people who look with a browser; programs look at the status.
std::string http_answer(std::string_view status, std::string_view body) {
  std::string answer("HTTP/1.1 ");
  answer.append(status).append("\r\nContent-Type: text/plain\r\nContent-Length: ");
  answer.append(std::to_string(body.size() + 1)).append("\r\nConnection: close\r\n\r\n");
  return answer.append(body).append("\n");
}

struct HttpAnswers {
  std::string bad_request = http_answer("400 Bad Request", "The request is malformed.");
  std::string request_timeout = http_answer("408 Request Timeout", "The request did not arrive in time.");
  std::string misdirected = http_answer("421 Misdirected Request", "No application here serves this name.");
  std::string too_many_requests =
      http_answer("429 Too Many Requests", "There are too many connections from your address.");
  std::string too_large =
      http_answer("431 Request Header Fields Too Large", "The head of the request is too long.");
  std::string bad_gateway =
      http_answer("502 Bad Gateway", "The application could not be reached, or its answer is not HTTP.");
  std::string unavailable = http_answer("503 Service Unavailable", "The application is not available.");
  std::string gateway_timeout = http_answer("504 Gateway Timeout", "The application did not answer in time.");
};

ByteView http_answer_for(Outcome outcome) {
  static const HttpAnswers answers;
  switch (outcome) {
    case Outcome::no_route:
    case Outcome::rejected:
      return as_bytes(answers.misdirected);
    case Outcome::malformed:
      return as_bytes(answers.bad_request);
    case Outcome::too_large:
      return as_bytes(answers.too_large);
    case Outcome::timeout:
      return as_bytes(answers.request_timeout);
    case Outcome::limited:
      return as_bytes(answers.too_many_requests);
    case Outcome::refused:
      return as_bytes(answers.bad_gateway);
    case Outcome::connect_timeout:
      return as_bytes(answers.gateway_timeout);
    case Outcome::unavailable:
      return as_bytes(answers.unavailable);
    default:
      return {};
  }
}

/// A literal without indexing, the name ":status" from the static table (RFC 7541, 6.2.2).
std::array<std::uint8_t, 5> status_block(Outcome outcome) {
  constexpr std::size_t status_begin = std::string_view("HTTP/1.1 ").size();
  const ByteView status = http_answer_for(outcome).subspan(status_begin, 3);
  return {0x08, 0x03, status[0], status[1], status[2]};
}

/// RFC 9113, section 7.
std::uint8_t http2_error_for(Outcome outcome) {
  constexpr std::uint8_t no_error = 0x0;
  constexpr std::uint8_t protocol_error = 0x1;
  constexpr std::uint8_t enhance_your_calm = 0xb;
  switch (outcome) {
    case Outcome::malformed:
      return protocol_error;
    case Outcome::too_large:
    case Outcome::limited:
      return enhance_your_calm;
    default:
      return no_error;
  }
}

// Without a language to explain it in, only the way of closing is left: a client that cannot be served is
// reset, one that sent nonsense or nothing is just closed.
bool resets(Outcome outcome) {
  switch (outcome) {
    case Outcome::malformed:
    case Outcome::too_large:
    case Outcome::timeout:
      return false;
    default:
      return true;
  }
}

}  // namespace

Refusal refusal_for(Protocol protocol, Outcome outcome) {
  ByteView answer;
  if (protocol == Protocol::tls) answer = alert_for(outcome);
  if (protocol == Protocol::http) answer = http_answer_for(outcome);
  return {.answer = answer, .reset = answer.empty() && resets(outcome)};
}

std::vector<std::uint8_t> http2_refusal_for(Outcome outcome, std::uint32_t stream) {
  std::vector<std::uint8_t> answer(http2_settings().begin(), http2_settings().end());
  if (stream != 0) {
    append_h2_frame(answer, H2FrameType::headers, H2FrameHeader::end_headers | H2FrameHeader::end_stream,
                    stream, status_block(outcome));
  }
  // A request that goes on is not stopped with RST_STREAM, behind which curl forgets the status. GOAWAY does
  // it.
  const auto goodbye = http2_goodbye_for(outcome, stream);
  answer.insert(answer.end(), goodbye.begin(), goodbye.end());
  return answer;
}

std::vector<std::uint8_t> http2_goodbye_for(Outcome outcome, std::uint32_t last_stream) {
  const auto part = [last_stream](unsigned shift) {
    return static_cast<std::uint8_t>(last_stream >> shift & 0xff);
  };
  std::vector<std::uint8_t> goodbye;
  append_h2_frame(
      goodbye, H2FrameType::goaway, 0, 0,
      std::array<std::uint8_t, 8>{part(24), part(16), part(8), part(0), 0, 0, 0, http2_error_for(outcome)});
  return goodbye;
}

std::vector<std::uint8_t> http2_shutdown_notice() {
  constexpr std::uint32_t highest_stream = 0x7fffffff;  // what the client has sent by now is still served
  return http2_goodbye_for(Outcome::ok, highest_stream);
}

ByteView http2_settings() {
  static constexpr auto frame = H2FrameHeader{.type = H2FrameType::settings}.bytes();
  return frame;
}

}  // namespace portshare
