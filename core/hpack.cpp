#include "core/hpack.h"

#include <nghttp2/nghttp2.h>

#include <new>

namespace portshare {
namespace {

/// Only a lack of memory can make these calls fail.
void require_memory(int result) {
  if (result != 0) throw std::bad_alloc();
}

}  // namespace

void HeaderFields::clear() {
  text_.clear();
  entries_.clear();
  has_overflowed_ = false;
}

bool HeaderFields::add(const Field& field) {
  constexpr std::size_t overhead = 32;
  const std::size_t taken = text_.size() + overhead * (entries_.size() + 1);
  has_overflowed_ = taken > max_size || field.name.size() + field.value.size() > max_size - taken;
  if (has_overflowed_) return false;
  entries_.push_back({text_.size(), field.name.size(), field.value.size(), field.never_indexed});
  text_.append(field.name).append(field.value);
  return true;
}

HeaderFields::Field HeaderFields::operator[](std::size_t index) const {
  const Entry& entry = entries_[index];
  const std::string_view text(text_);
  return {text.substr(entry.begin, entry.name_length),
          text.substr(entry.begin + entry.name_length, entry.value_length), entry.never_indexed};
}

void HpackDecoder::Delete::operator()(nghttp2_hd_inflater* inflater) const {
  nghttp2_hd_inflate_del(inflater);
}

HpackDecoder::HpackDecoder() {
  nghttp2_hd_inflater* inflater = nullptr;
  require_memory(nghttp2_hd_inflate_new(&inflater));
  inflater_.reset(inflater);
}

bool HpackDecoder::decode(ByteView fragment, bool is_last, HeaderFields& fields) {
  const auto text = [](const std::uint8_t* bytes, std::size_t length) { return as_text({bytes, length}); };
  for (;;) {
    nghttp2_nv pair{};
    int flags = NGHTTP2_HD_INFLATE_NONE;
    const auto taken = nghttp2_hd_inflate_hd2(inflater_.get(), &pair, &flags, fragment.data(),
                                              fragment.size(), is_last ? 1 : 0);
    if (taken < 0) return false;
    fragment = fragment.subspan(static_cast<std::size_t>(taken));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const bool never_indexed = (pair.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
      if (!fields.add({text(pair.name, pair.namelen), text(pair.value, pair.valuelen), never_indexed}))
        return false;
    } else if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_.get());
      return true;
    } else if (fragment.empty()) {
      return !is_last;
    }
  }
}

void HpackDecoder::change_table_size(std::uint32_t bytes) {
  require_memory(nghttp2_hd_inflate_change_table_size(inflater_.get(), bytes));
}

void HpackEncoder::Delete::operator()(nghttp2_hd_deflater* deflater) const {
  nghttp2_hd_deflate_del(deflater);
}

HpackEncoder::HpackEncoder() {
  nghttp2_hd_deflater* deflater = nullptr;
  require_memory(nghttp2_hd_deflate_new(&deflater, 0));
  deflater_.reset(deflater);
}

void HpackEncoder::encode(const HeaderFields& fields, const HeaderFields& more,
                          std::vector<std::uint8_t>& block) {
  // The library takes names and values by pointers to what it does not change.
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(as_bytes(text).data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  };
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.count() + more.count());
  for (const HeaderFields* part : {&fields, &more}) {
    for (std::size_t i = 0; i < part->count(); ++i) {
      const HeaderFields::Field field = (*part)[i];
      const auto flags = field.never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
      pairs.push_back({bytes(field.name), bytes(field.value), field.name.size(), field.value.size(),
                       static_cast<std::uint8_t>(flags)});
    }
  }
  require_memory(nghttp2_hd_deflate_change_table_size(deflater_.get(), 0));
  const std::size_t bound = nghttp2_hd_deflate_bound(deflater_.get(), pairs.data(), pairs.size());
  const std::size_t before = block.size();
  block.resize(before + bound);
  const auto written =
      nghttp2_hd_deflate_hd(deflater_.get(), block.data() + before, bound, pairs.data(), pairs.size());
  if (written < 0) throw std::bad_alloc();
  block.resize(before + static_cast<std::size_t>(written));
}

}  // namespace portshare
