// What a client of a load says first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/client_hello.h"
#include "core/byte_view.h"
#include "core/random.h"

namespace portshare {

struct FirstBytesSettings {
  enum class Kind : std::uint8_t { none, tls, http, raw };
  Kind kind = Kind::none;
  HelloStyle hello_style = HelloStyle::classic;
  std::vector<std::string> alpn{"h2", "http/1.1"};
  std::vector<std::uint8_t> raw = {};
  std::string path = "/";               ///< of the HTTP request
  std::vector<std::string> names = {};  ///< SNI or Host; none: no SNI, and the Host "localhost"
  bool names_in_turn = false;           ///< instead of drawing them
};

/// Composes them, without allocation. Immutable and shared by all threads.
class FirstBytes {
 public:
  explicit FirstBytes(FirstBytesSettings settings);

  [[nodiscard]] std::size_t most_bytes() const { return most_bytes_; }
  /// Those of the `number`th connection: writes them into `out`, which has room for most_bytes(), or returns
  /// bytes of its own. Draws the name from `random`, unless names go in turn.
  ByteView compose(std::uint64_t number, Random& random, std::span<std::uint8_t> out) const;
  /// In words: "TLS ClientHello of 517 bytes, 4 names".
  [[nodiscard]] std::string describe() const;

 private:
  FirstBytesSettings settings_;
  std::optional<ClientHelloTemplate> hello_;
  std::string request_head_;  // before the Host's value
  std::string request_tail_;
  std::size_t most_bytes_ = 0;
};

}  // namespace portshare
