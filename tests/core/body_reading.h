// Shows an HttpBody the same bytes in different pieces, as a relay would, and follows chunked bodies a second
// time with a decoder that is slow and plain. Every call gets a copy of exactly the bytes that are shown; see
// split_reading.h.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/http_body.h"
#include "tests/core/split_reading.h"

namespace portshare::test {

/// What became of a body after some bytes.
struct BodyAnswer {
  std::size_t count = 0;  ///< in total
  HttpBody::Progress progress = HttpBody::Progress::more;

  bool operator==(const BodyAnswer&) const = default;

  friend std::ostream& operator<<(std::ostream& out, const BodyAnswer& answer) {
    constexpr std::string_view names[] = {"more", "complete", "malformed"};
    return out << answer.count << " bytes, " << names[static_cast<std::size_t>(answer.progress)];
  }
};

/// One body and what arrived of it.
template <typename Copy = HeapCopy>
class BodyReading {
 public:
  explicit BodyReading(HttpBody body) : body_(body) {}

  const BodyAnswer& arrive(std::string_view bytes) {
    uncounted_ += bytes;
    const Copy copy(as_bytes(uncounted_));
    const HttpBody::Consumed consumed = body_.consume(copy.view());
    assert(consumed.count <= uncounted_.size());
    uncounted_.erase(0, consumed.count);
    answer_ = {answer_.count + consumed.count, consumed.progress};
    return answer_;
  }

  [[nodiscard]] const BodyAnswer& answer() const { return answer_; }
  [[nodiscard]] std::size_t uncounted() const { return uncounted_.size(); }
  [[nodiscard]] const HttpBody& body() const { return body_; }

 private:
  HttpBody body_;
  std::string uncounted_;
  BodyAnswer answer_;
};

inline BodyAnswer read_body(const HttpBody& body, std::string_view bytes) {
  return BodyReading<>(body).arrive(bytes);
}

/// The grammar of a chunked body with the limits of HttpBody, over all bytes at once.
class ReferenceChunkedDecoder {
 public:
  explicit ReferenceChunkedDecoder(std::string_view text) : text_(text) {}

  BodyAnswer decode() {
    for (;;) {
      const std::string size = hexadecimal_prefix();
      if (at_ == text_.size()) return more();
      if (size.empty()) return malformed();
      const Line line = next_line(HttpBody::max_line_length);
      if (line.state == Line::incomplete) return more();
      if (line.state == Line::bad || !is_legal_size(size)) return malformed();
      const std::string_view extension = line.text.substr(size.size());
      if (!extension.empty() && (extension[0] != ';' || !is_text(extension))) return malformed();
      at_ += line.text.size() + 2;
      const unsigned long long length = std::stoull(size, nullptr, 16);
      if (length == 0) return decode_trailers();
      if (text_.size() - at_ < length) {
        at_ = text_.size();
        return more();
      }
      at_ += static_cast<std::size_t>(length);
      const std::string_view end = text_.substr(at_, 2);
      if (end == "\r\n") {
        at_ += 2;
      } else if (end.empty() || end == "\r") {
        return more();
      } else {
        return malformed();
      }
    }
  }

 private:
  struct Line {
    enum State : std::uint8_t { good, incomplete, bad } state = good;
    std::string_view text = {};
  };

  BodyAnswer more() const { return {at_, HttpBody::Progress::more}; }
  BodyAnswer malformed() const { return {at_, HttpBody::Progress::malformed}; }

  /// In lower case.
  std::string hexadecimal_prefix() const {
    std::string digits;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      const char character = text_[i];
      if (character >= 'A' && character <= 'F') {
        digits += static_cast<char>(character - 'A' + 'a');
      } else if ((character >= '0' && character <= '9') || (character >= 'a' && character <= 'f')) {
        digits += character;
      } else {
        break;
      }
    }
    return digits;
  }

  /// At most 2^63-1 in at most 16 digits.
  static bool is_legal_size(const std::string& digits) {
    return digits.size() < 16 || (digits.size() == 16 && digits <= "7fffffffffffffff");
  }

  Line next_line(std::size_t max_length) const {
    if (at_ == text_.size()) return {Line::incomplete};
    for (std::size_t i = at_; i < text_.size(); ++i) {
      if (i - at_ == max_length) return {Line::bad};
      if (text_[i] != '\n') continue;
      if (i == at_ || text_[i - 1] != '\r') return {Line::bad};
      return {Line::good, text_.substr(at_, i - 1 - at_)};
    }
    return {text_.size() - at_ == max_length ? Line::bad : Line::incomplete};
  }

  static bool is_text(std::string_view text) {
    return std::ranges::all_of(text, [](char character) {
      const auto byte = static_cast<unsigned char>(character);
      return byte == '\t' || (byte >= ' ' && byte != 0x7f);
    });
  }

  BodyAnswer decode_trailers() {
    const std::size_t begin = at_;
    for (;;) {
      const std::size_t left = HttpBody::max_trailers_length - (at_ - begin);
      const Line line = next_line(std::min(HttpBody::max_line_length, left));
      if (line.state == Line::incomplete) return more();
      if (line.state == Line::bad || !is_legal_trailer(line.text)) return malformed();
      at_ += line.text.size() + 2;
      if (line.text.empty()) return {at_, HttpBody::Progress::complete};
    }
  }

  static bool is_legal_trailer(std::string_view line) {
    if (line.empty()) return true;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos || !is_text(line)) return false;
    std::string name;
    for (const char character : line.substr(0, colon)) {
      const auto byte = static_cast<unsigned char>(character);
      if (byte <= ' ' || byte >= 0x7f) return false;
      if (std::string_view("\"(),/:;<=>?@[\\]{}").find(character) != std::string_view::npos) return false;
      name += character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
    }
    return name != "content-length" && name != "transfer-encoding" && name != "host";
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace portshare::test
