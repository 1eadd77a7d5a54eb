// Requests on a connection that carries cleartext HTTP/2. Why it is done like this: docs/adr/0004.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/h2_authority.h"
#include "core/h2_request_filter.h"
#include "dispatch/outcome.h"
#include "dispatch/relay.h"

namespace portshare {

/// What a session keeps for HTTP/2, around a filter for each direction. The client's side brings forth what
/// is to be told to the client in between; the server's side finds the place for it. Bounded: when the client
/// does not take what it is told, its requests wait.
class H2Exchange {
 public:
  /// Whether a further request is for the server at which the connection is.
  struct Router {
    bool (*is_for_this_server)(void* owner, const H2Request& request);
    void* owner;
  };

  /// `reader` has recognised `first`, the request with which the connection begins, and which the filter is
  /// to be shown first. `settings_sent`: the client has got SETTINGS of ours. `additions`: fields that the
  /// server is to see behind those of each request. `head_limit`: of the header block of each, in bytes.
  H2Exchange(H2AuthorityReader& reader, const H2FirstRequest& first, bool settings_sent,
             const HeaderFields& additions, std::size_t head_limit, Router router);

  RelayFilter& requests() { return requests_; }
  RelayFilter& responses() { return responses_; }

  [[nodiscard]] std::uint32_t first_stream() const { return first_stream_; }
  /// Something is to be told to the client, and may stand behind what the server's filter has passed.
  [[nodiscard]] bool has_insertion() const { return !insertion_.empty() && response_frames_.may_insert(); }
  /// Valid until the next call: send it.
  ByteView take_insertion();
  /// So much is to be told to the client that its requests have to wait.
  [[nodiscard]] bool is_full() const { return insertion_.size() >= insertion_limit; }
  /// What the client is told at the end of the connection, behind what the server's filter has passed; empty
  /// if nothing may stand there.
  [[nodiscard]] std::vector<std::uint8_t> goodbye(Outcome outcome) const;
  /// The client's side is `malformed` because a header block is too long.
  [[nodiscard]] bool is_too_large() const { return request_filter_.is_too_large(); }
  /// The client is to be told that it should end the connection when its requests are answered.
  void announce_end();
  /// There is nobody to be told.
  void drop_insertion() { insertion_.clear(); }

 private:
  static constexpr std::size_t insertion_limit = std::size_t{16} * 1024;

  class Requests final : public RelayFilter {
   public:
    explicit Requests(H2Exchange& exchange) : exchange_(exchange) {}
    Result inspect(ByteView bytes) override { return exchange_.inspect_requests(bytes); }

   private:
    H2Exchange& exchange_;
  };
  class Responses final : public RelayFilter {
   public:
    explicit Responses(H2Exchange& exchange) : exchange_(exchange) {}
    Result inspect(ByteView bytes) override { return exchange_.inspect_responses(bytes); }

   private:
    H2Exchange& exchange_;
  };

  RelayFilter::Result inspect_first_request(ByteView bytes);
  RelayFilter::Result inspect_requests(ByteView bytes);
  RelayFilter::Result inspect_responses(ByteView bytes);
  void take(const H2RequestFilter::Step& step);

  const Router router_;
  Requests requests_;
  Responses responses_;
  H2RequestFilter request_filter_;
  H2ResponseFrames response_frames_;
  const std::uint32_t first_stream_;
  const std::size_t first_block_begin_;
  std::vector<std::uint8_t> new_first_block_;  ///< empty: it goes on as it came
  std::size_t first_length_;                   ///< of the first request; 0: it has passed
  std::optional<std::size_t> unwanted_ack_;    ///< in it, of SETTINGS that the server did not send
  std::vector<std::uint8_t> to_server_;        ///< what goes on in place of what was received
  std::vector<std::uint8_t> insertion_;
  std::vector<std::uint8_t> sending_;  ///< the insertion before
};

}  // namespace portshare
