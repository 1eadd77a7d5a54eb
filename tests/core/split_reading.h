// Shows a reader the same bytes in different pieces. Every call gets a copy of exactly the bytes that have
// "arrived": by default one on the heap, so that AddressSanitizer sees each read behind them and each view
// kept into an earlier call's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/byte_view.h"
#include "core/http_head.h"
#include "core/http_response_head.h"
#include "core/tls_hello.h"
#include "core/verdict.h"

namespace portshare::test {

class HeapCopy {
 public:
  explicit HeapCopy(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  [[nodiscard]] ByteView view() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// What a TlsHelloReader answered, with copies of what the views showed.
struct TlsAnswer {
  using Reader = TlsHelloReader;
  using Result = ClientHello;

  Verdict verdict = Verdict::need_more;
  std::string server_name = {};
  std::string alpn = {};
  bool has_encrypted_client_hello = false;
  unsigned legacy_version = 0;
  std::size_t length = 0;

  bool operator==(const TlsAnswer&) const = default;

  static TlsAnswer of(Verdict verdict, const ClientHello& hello) {
    if (verdict != Verdict::recognised) return {.verdict = verdict};
    return {verdict,
            std::string(hello.server_name),
            std::string(as_text(hello.alpn)),
            hello.has_encrypted_client_hello,
            hello.legacy_version,
            hello.length};
  }
};

/// The same for HttpHeadReader.
struct HttpAnswer {
  using Reader = HttpHeadReader;
  using Result = HttpHead;

  Verdict verdict = Verdict::need_more;
  std::string method = {};
  std::string target = {};
  unsigned minor_version = 0;
  bool has_host = false;
  std::string host = {};
  std::string port = {};  ///< empty: none
  HttpHead::Body body = HttpHead::Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = false;
  bool upgrade = false;
  bool expects_continue = false;
  std::size_t length = 0;
  bool upgrade_to_http2 = false;

  bool operator==(const HttpAnswer&) const = default;

  static HttpAnswer of(Verdict verdict, const HttpHead& head) {
    if (verdict != Verdict::recognised) return {.verdict = verdict};
    return {verdict,
            std::string(head.method),
            std::string(head.target),
            head.minor_version,
            head.has_host,
            std::string(head.has_host ? head.host.view() : ""),
            head.has_host && head.host.port() ? std::to_string(*head.host.port()) : "",
            head.body,
            head.content_length,
            head.keep_alive,
            head.upgrade,
            head.expects_continue,
            head.length,
            head.upgrade_to_http2};
  }
};

/// The same for HttpResponseHeadReader.
struct ResponseAnswer {
  using Reader = HttpResponseHeadReader;
  using Result = HttpResponseHead;

  Verdict verdict = Verdict::need_more;
  HttpResponseHead head = {};

  bool operator==(const ResponseAnswer&) const = default;

  static ResponseAnswer of(Verdict verdict, const HttpResponseHead& head) {
    if (verdict != Verdict::recognised) return {.verdict = verdict};
    return {verdict, head};
  }
};

/// Where to cut `size` bytes: everywhere, both ends included; in long ones near the ends and at every 509th
/// byte.
inline std::vector<std::size_t> cuts(std::size_t size) {
  constexpr std::size_t edge = 300;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i <= size; ++i) {
    if (size <= 4096 || i <= edge || i + edge >= size || i % 509 == 0) positions.push_back(i);
  }
  return positions;
}

/// A reader like `fresh`, which has not read yet. One that cannot be copied has nothing to be set up with
/// either.
template <typename Reader>
Reader another(const Reader& fresh) {
  if constexpr (std::is_copy_constructible_v<Reader>) {
    return fresh;
  } else {
    return Reader();
  }
}

/// One reader and its last answer. `fresh` is a reader that has not read yet.
template <typename Answer, typename Copy = HeapCopy>
class SplitReading {
 public:
  explicit SplitReading(const typename Answer::Reader& fresh = typename Answer::Reader())
      : reader_(another(fresh)) {}

  /// `bytes`: everything that has arrived so far.
  const Answer& show(ByteView bytes) {
    const Copy copy(bytes);
    typename Answer::Result result;
    const Verdict verdict = reader_.read(copy.view(), result);
    answer_ = Answer::of(verdict, result);
    return answer_;
  }

  [[nodiscard]] const Answer& answer() const { return answer_; }
  [[nodiscard]] const typename Answer::Reader& reader() const { return reader_; }

 private:
  typename Answer::Reader reader_;
  Answer answer_;
};

/// All bytes in one call.
template <typename Answer>
Answer read_whole(ByteView bytes, const typename Answer::Reader& fresh = typename Answer::Reader()) {
  return SplitReading<Answer>(fresh).show(bytes);
}

}  // namespace portshare::test
