// Header blocks of HTTP/2 in and out of their compressed form, HPACK: RFC 7541. The work is libnghttp2's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_view.h"

struct nghttp2_hd_deflater;
struct nghttp2_hd_inflater;

namespace portshare {

/// The fields of a header block, in their order. Keeps its memory over clear().
class HeaderFields {
 public:
  /// Of all names and values, with 32 bytes per field on top, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC
  /// 9113, section 6.5.2).
  static constexpr std::size_t max_size = std::size_t{64} * 1024;

  struct Field {
    std::string_view name;
    std::string_view value;
    bool never_indexed = false;  ///< the client marked it as sensitive (RFC 7541, 7.1.3)
  };

  void clear();
  /// False, and nothing is added, if that would pass max_size.
  bool add(const Field& field);
  /// An add() since the last clear() did not fit.
  [[nodiscard]] bool has_overflowed() const { return has_overflowed_; }
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  /// Valid until the next add() or clear().
  [[nodiscard]] Field operator[](std::size_t index) const;

 private:
  struct Entry {
    std::size_t begin;
    std::size_t name_length;
    std::size_t value_length;
    bool never_indexed;
  };

  std::string text_;
  std::vector<Entry> entries_;
  bool has_overflowed_ = false;
};

/// Follows one direction of a connection: every header block of it has to go through, in order, because each
/// may change what the later ones mean. Allocates, up to the size of the dynamic table.
class HpackDecoder {
 public:
  /// With the table of 4096 bytes that every connection begins with.
  HpackDecoder();

  /// Adds the fields of the next part of a header block to `fields`; a field that is cut is taken in and
  /// added with the part that completes it. False: the block is broken or its fields pass
  /// HeaderFields::max_size, and so nothing that follows on this connection can be understood.
  bool decode(ByteView fragment, bool is_last, HeaderFields& fields);

  /// The decoding side has told the other one to keep a table of so many bytes at most
  /// (SETTINGS_HEADER_TABLE_SIZE), and it has acknowledged that. Not within a header block.
  void change_table_size(std::uint32_t bytes);

 private:
  struct Delete {
    void operator()(nghttp2_hd_inflater* inflater) const;
  };
  std::unique_ptr<nghttp2_hd_inflater, Delete> inflater_;
};

/// Writes header blocks that need no dynamic table: each begins by setting its size to 0, which a decoder
/// with any history and any settings can follow.
class HpackEncoder {
 public:
  HpackEncoder();
  /// Appends the block, which has `more` behind `fields`.
  void encode(const HeaderFields& fields, const HeaderFields& more, std::vector<std::uint8_t>& block);

 private:
  struct Delete {
    void operator()(nghttp2_hd_deflater* deflater) const;
  };
  std::unique_ptr<nghttp2_hd_deflater, Delete> deflater_;
};

}  // namespace portshare
