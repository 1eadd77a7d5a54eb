// HTTP/2 clients and servers for the simulation: what is asked for is drawn beforehand, so that both ends and
// the checks know it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/hpack.h"
#include "core/random.h"
#include "tests/core/h2_builder.h"
#include "tests/simulation/scripted_peer.h"

namespace portshare {

/// A request on a stream of its own.
struct PlannedStream {
  std::uint32_t number = 0;
  test::H2Fields fields;
  std::string body;
  test::H2Fields trailers;
  std::size_t phase = 0;  ///< begins when the streams of earlier phases have been answered

  [[nodiscard]] const std::string& name() const { return fields[3].second; }
};

/// `count` of them on a connection, for names of `names`, the first one for `first`.
std::vector<PlannedStream> draw_streams(Random& random, std::size_t count, const std::string& first,
                                        const std::vector<std::string>& names, std::size_t body_limit);

/// What one end of a connection has got, in order, and whether it may come like that.
class Http2Reading {
 public:
  struct Message {
    test::H2Fields fields;
    test::H2Fields trailers;
    std::string body;
    bool has_ended = false;
  };

  /// `from_client`: the bytes begin with the preface.
  explicit Http2Reading(bool from_client) : has_preface_(!from_client) {}
  /// `received`: everything so far.
  void read(const std::string& received);

  std::map<std::uint32_t, Message> messages;  // by stream
  std::size_t settings = 0;
  std::size_t acknowledgements = 0;
  std::uint64_t connection_window = 0;  // given by WINDOW_UPDATE
  std::size_t goaways = 0;
  std::size_t shutdown_notices = 0;
  std::string fault;  // empty: none

 private:
  void take(const H2FrameHeader& header, ByteView payload);
  void take_fragment(const H2FrameHeader& header, ByteView fragment);

  bool has_preface_;
  std::size_t position_ = 0;
  HpackDecoder decoder_;
  HeaderFields block_;
  std::uint32_t block_stream_ = 0;  // whose header block is open
  bool block_ends_stream_ = false;
};

struct Http2ClientPlan {
  std::vector<PlannedStream> streams;
  bool waits_for_settings = false;
  std::string last_words;  ///< behind all answers
};
PeerScript http2_client(Http2ClientPlan plan, Random& random);

/// A server that answers 200 and the body of the request, with the path in the field "answer-to".
PeerScript http2_server(Random& random);

}  // namespace portshare
