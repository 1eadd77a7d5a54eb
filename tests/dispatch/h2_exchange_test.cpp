// What the two filters of a connection of HTTP/2 pass on, at every cut of what the two sides send.
#include "dispatch/h2_exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "dispatch/refusal.h"
#include "tests/core/h2_builder.h"

namespace portshare::test {
namespace {

using Action = RelayFilter::Action;

const std::string acknowledgement = h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
const std::string ping = h2_frame(H2FrameType::ping, 0, 0, "12345678");

std::string get(std::uint32_t stream, const std::string& name) {
  return h2_headers(stream, hpack_block(get_fields(name)));
}

std::string misdirected(std::uint32_t stream) {
  return h2_headers(stream,
                    "\x08\x03"
                    "421");
}

/// A relay around an exchange. Requests for here.example are the server's.
class Wire {
 public:
  explicit Wire(const std::string& first_flight, bool settings_sent = false,
                const HeaderFields& additions = {}) {
    H2AuthorityReader reader;
    H2FirstRequest first;
    EXPECT_EQ(reader.read(as_bytes(first_flight), first), Verdict::recognised);
    exchange_ = std::make_unique<H2Exchange>(
        reader, first, settings_sent, additions, H2AuthorityReader::max_block_length,
        H2Exchange::Router{
            [](void*, const H2Request& request) { return request.authority.view() == "here.example"; },
            nullptr});
    client_sends(first_flight);
  }

  H2Exchange& exchange() { return *exchange_; }
  Action client_sends(std::string_view bytes) { return pass(exchange_->requests(), bytes, to_server); }
  Action server_sends(std::string_view bytes) { return pass(exchange_->responses(), bytes, to_client); }
  /// What a session does when the direction to the client has nothing to do.
  void insert() {
    if (exchange_->has_insertion()) to_client += as_text(exchange_->take_insertion());
  }

  std::string to_server;
  std::string to_client;

 private:
  static Action pass(RelayFilter& filter, std::string_view bytes, std::string& out) {
    ByteView rest = as_bytes(bytes);
    Action action = Action::go_on;
    while (!rest.empty()) {
      const RelayFilter::Result result = filter.inspect(rest);
      const ByteView goes_on = result.replacement.value_or(rest.first(result.count));
      out += as_text(goes_on);
      rest = rest.subspan(result.count);
      action = result.action;
      if (action == Action::pause || action == Action::malformed) break;
      if (action == Action::ask_again) {
        EXPECT_FALSE(goes_on.empty()) << "would never end";
      } else {
        EXPECT_TRUE(rest.empty());
      }
    }
    return action;
  }

  std::unique_ptr<H2Exchange> exchange_;
};

const std::string first = h2_start() + get(1, "here.example");

TEST(H2Exchange, InsertsAnswersBetweenTheFramesOfTheServer) {
  const std::string client =
      get(3, "here.example") + get(5, "there.example") + ping + get(7, "other.example");
  const std::string server = h2_settings() + acknowledgement +
                             h2_headers(1, "\x88", H2FrameHeader::end_headers) +
                             h2_frame(H2FrameType::data, H2FrameHeader::end_stream, 1, "body");
  const std::string expected = first + get(3, "here.example") + ping;
  for (std::size_t cut = 0; cut <= client.size(); ++cut) {
    for (std::size_t place = 0; place <= server.size(); ++place) {
      Wire wire(first);
      wire.client_sends(client.substr(0, cut));
      wire.server_sends(server.substr(0, place));
      wire.insert();
      wire.client_sends(client.substr(cut));
      wire.insert();
      wire.server_sends(server.substr(place));
      wire.insert();
      ASSERT_EQ(wire.to_server, expected);
      std::string rest = wire.to_client;
      for (const std::uint32_t stream : {5U, 7U}) {
        const std::size_t found = rest.find(misdirected(stream));
        ASSERT_NE(found, std::string::npos) << cut << " " << place;
        ASSERT_GE(found, h2_settings().size()) << "before the server's SETTINGS";
        rest.erase(found, misdirected(stream).size());
      }
      ASSERT_EQ(rest, server) << cut << " " << place;
    }
  }
}

TEST(H2Exchange, BytesThatJustGoOnAreNotCopied) {
  Wire wire(first);
  const std::string data = h2_frame(H2FrameType::data, 0, 1, std::string(20'000, 'd'));
  const RelayFilter::Result result = wire.exchange().requests().inspect(as_bytes(data));
  EXPECT_EQ(result.count, data.size());
  EXPECT_FALSE(result.replacement);
}

TEST(H2Exchange, KeepsTheAcknowledgementOfOurSettingsFromTheServer) {
  EXPECT_EQ(Wire(h2_start() + ping + acknowledgement + get(1, "here.example"), true).to_server,
            h2_start() + ping + get(1, "here.example"));
  EXPECT_EQ(Wire(h2_start() + acknowledgement + acknowledgement + get(1, "here.example"), true).to_server,
            h2_start() + acknowledgement + get(1, "here.example"));
  EXPECT_EQ(Wire(h2_start() + acknowledgement + get(1, "here.example"), false).to_server,
            h2_start() + acknowledgement + get(1, "here.example"));

  const std::string later = ping + acknowledgement + acknowledgement + get(3, "here.example");
  const std::string expected = first + ping + acknowledgement + get(3, "here.example");
  for (std::size_t cut = 0; cut <= later.size(); ++cut) {
    Wire wire(first, true);
    wire.client_sends(later.substr(0, cut));
    wire.client_sends(later.substr(cut));
    ASSERT_EQ(wire.to_server, expected);
  }
}

TEST(H2Exchange, AddsFieldsToEachRequest) {
  HeaderFields additions;
  ASSERT_TRUE(additions.add({"x-forwarded-for", "192.0.2.7"}));
  const std::string spoofed = hpack_field("x-forwarded-for", "203.0.113.1");
  const std::string settings = h2_settings(std::string("\0\3\0\0\0\1", 6));
  const std::string opening = std::string(h2_preface) + settings + acknowledgement + ping;
  const std::string data = h2_frame(H2FrameType::data, 0, 3, "body");
  const std::string trailers = hpack_field("trailer", "x");
  const std::string block = hpack_block(get_fields("here.example"), Indexing::incremental);
  const std::string later =
      h2_headers(3, "\x82\x86\x84\xbe", H2FrameHeader::end_headers) + data + h2_headers(3, trailers);
  for (const bool settings_sent : {false, true}) {
    Wire wire(
        opening + h2_headers(1, block.substr(0, 9), H2FrameHeader::end_stream) +
            h2_frame(H2FrameType::continuation, H2FrameHeader::end_headers, 1, block.substr(9) + spoofed),
        settings_sent, additions);
    wire.client_sends(later);

    std::string unchanged = std::string(h2_preface) + settings;
    if (!settings_sent) unchanged += acknowledgement;
    unchanged += ping;
    ASSERT_TRUE(wire.to_server.starts_with(unchanged));
    Cursor cursor(as_bytes(wire.to_server).subspan(unchanged.size()));
    HpackDecoder decoder;
    const auto next_block = [&](std::uint32_t stream, std::uint8_t flags) {
      const auto header = H2FrameHeader::read(cursor);
      EXPECT_EQ(header->type, H2FrameType::headers);
      EXPECT_EQ(header->stream, stream);
      EXPECT_EQ(header->flags, flags);
      HeaderFields fields;
      EXPECT_TRUE(decoder.decode(*cursor.read_bytes(header->payload_length), true, fields));
      std::string text;
      for (std::size_t i = 4; i < fields.count(); ++i) text += std::string(fields[i].value) + " ";
      return text;
    };
    constexpr std::uint8_t end_headers = H2FrameHeader::end_headers;
    EXPECT_EQ(next_block(1, end_headers | H2FrameHeader::end_stream), "203.0.113.1 192.0.2.7 ");
    EXPECT_EQ(next_block(3, end_headers), "192.0.2.7 ");
    EXPECT_EQ(as_text(*cursor.read_bytes(data.size())), data);
    EXPECT_EQ(next_block(3, end_headers | H2FrameHeader::end_stream), "");
    EXPECT_TRUE(cursor.at_end());
  }
}

TEST(H2Exchange, RequestsWaitWhenTheClientTakesNoAnswers) {
  Wire wire(first);
  std::string client;
  for (std::uint32_t stream = 3; stream < 2'000; stream += 2) {
    client += h2_headers(stream, hpack_block(get_fields("there.example")), H2FrameHeader::end_headers);
  }
  EXPECT_EQ(wire.client_sends(client), Action::pause);
  EXPECT_TRUE(wire.exchange().is_full());
  EXPECT_FALSE(wire.exchange().has_insertion()) << "the server has not begun";
  EXPECT_EQ(wire.exchange().requests().inspect(as_bytes(ping)).count, 0U);
  wire.server_sends(h2_settings());
  wire.insert();
  EXPECT_LT(wire.to_client.size(), 20'000U);
  EXPECT_FALSE(wire.exchange().is_full());
  EXPECT_EQ(wire.exchange().requests().inspect(as_bytes(ping)).count, ping.size());
}

TEST(H2Exchange, WhatIsWrittenAnewIsBounded) {
  // A field of 4000 bytes, which each block has many times over in a byte each.
  const std::string long_field = hpack_field("x", std::string(3'900, '\xff'), Indexing::incremental);
  Wire wire(first);
  wire.client_sends(h2_headers(3, hpack_block(get_fields("there.example")) + long_field));
  std::string client;
  for (std::uint32_t stream = 5; stream < 1'000; stream += 2) {
    client += h2_headers(stream, hpack_block(get_fields("here.example")) + std::string(15, '\xbe'));
  }
  const RelayFilter::Result result = wire.exchange().requests().inspect(as_bytes(client));
  EXPECT_EQ(result.action, Action::ask_again);
  ASSERT_TRUE(result.replacement);
  EXPECT_LT(result.replacement->size(), 250'000U);
}

TEST(H2Exchange, EndsWithGoawayWhereAFrameMayStand) {
  const auto goodbye = [](const std::string& server) {
    Wire wire(first);
    wire.server_sends(server);
    EXPECT_EQ(wire.client_sends(get(3, "there.example") + h2_frame(H2FrameType::push_promise, 0, 1, "")),
              Action::malformed);
    EXPECT_EQ(wire.to_server, first);
    return std::string(as_text(wire.exchange().goodbye(Outcome::malformed)));
  };
  const std::string end =
      misdirected(3) + h2_frame(H2FrameType::goaway, 0, 0, std::string("\0\0\0\3\0\0\0\1", 8));
  EXPECT_EQ(goodbye(""), h2_settings() + end);
  EXPECT_EQ(goodbye(h2_settings()), end);
  EXPECT_EQ(goodbye(h2_settings().substr(0, 5)), "");
  EXPECT_EQ(goodbye(h2_settings() + ping.substr(0, 12)), "");
}

TEST(H2Exchange, AnnouncesTheEndWhereAFrameMayStand) {
  const std::string notice = h2_frame(H2FrameType::goaway, 0, 0, std::string("\x7f\xff\xff\xff\0\0\0\0", 8));
  for (const std::size_t seen : {std::size_t{0}, std::size_t{5}, h2_settings().size()}) {
    Wire wire(first);
    wire.server_sends(h2_settings().substr(0, seen));
    wire.exchange().announce_end();
    EXPECT_EQ(wire.exchange().has_insertion(), seen == h2_settings().size());
    wire.server_sends(h2_settings().substr(seen) + ping);
    EXPECT_EQ(wire.to_client, h2_settings() + notice + ping);
    wire.client_sends(get(3, "here.example"));
    EXPECT_EQ(wire.to_server, first + get(3, "here.example")) << "the client has not heard of it";
  }
}

TEST(H2Exchange, AServerThatFloodsSettingsIsGivenUp) {
  Wire wire(first);
  Action action = Action::go_on;
  for (std::size_t i = 0; i <= H2RequestFilter::max_unacknowledged_settings; ++i) {
    action = wire.server_sends(h2_settings());
  }
  EXPECT_EQ(action, Action::malformed);
}

TEST(Http2Refusal, IsAStatusOnTheStreamAndTheEnd) {
  const auto refusal = [](Outcome outcome, std::uint32_t stream) {
    return std::string(as_text(http2_refusal_for(outcome, stream)));
  };
  const auto status = [](const char* code) { return h2_headers(0x12345, std::string("\x08\x03") + code); };
  const auto goaway = [](const std::string& stream, char error) {
    return h2_frame(H2FrameType::goaway, 0, 0, stream + std::string(3, '\0') + error);
  };
  const std::string none(4, '\0');
  const std::string some("\0\1\x23\x45", 4);
  EXPECT_EQ(refusal(Outcome::timeout, 0), h2_settings() + goaway(none, 0));
  EXPECT_EQ(refusal(Outcome::malformed, 0), h2_settings() + goaway(none, 1));
  EXPECT_EQ(refusal(Outcome::too_large, 0), h2_settings() + goaway(none, 0xb));
  EXPECT_EQ(refusal(Outcome::no_route, 0x12345), h2_settings() + status("421") + goaway(some, 0));
  EXPECT_EQ(refusal(Outcome::rejected, 0x12345), h2_settings() + status("421") + goaway(some, 0));
  EXPECT_EQ(refusal(Outcome::malformed, 0x12345), h2_settings() + status("400") + goaway(some, 1));
  EXPECT_EQ(refusal(Outcome::too_large, 0x12345), h2_settings() + status("431") + goaway(some, 0xb));
  EXPECT_EQ(refusal(Outcome::timeout, 0x12345), h2_settings() + status("408") + goaway(some, 0));
  EXPECT_EQ(refusal(Outcome::limited, 0x12345), h2_settings() + status("429") + goaway(some, 0xb));
  EXPECT_EQ(refusal(Outcome::refused, 0x12345), h2_settings() + status("502") + goaway(some, 0));
  EXPECT_EQ(refusal(Outcome::unavailable, 0x12345), h2_settings() + status("503") + goaway(some, 0));
  EXPECT_EQ(refusal(Outcome::connect_timeout, 0x12345), h2_settings() + status("504") + goaway(some, 0));
}

}  // namespace
}  // namespace portshare::test
