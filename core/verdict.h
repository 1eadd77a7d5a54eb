// What a recogniser of first bytes answers.
#pragma once

#include <cstdint>

namespace portshare {

/// A recogniser is shown everything that has arrived so far, again and again, until it answers something else
/// than `need_more`. "Could not parse" (`malformed`) and "is another protocol" (`not_mine`) are never the
/// same answer: bytes that are malformed are refused and reach no backend.
enum class Verdict : std::uint8_t {
  need_more,   ///< a prefix of something legal; ask again with more bytes
  recognised,  ///< complete and legal; the result is filled
  not_mine,    ///< cannot become this protocol, whatever follows
  malformed,   ///< claims to be this protocol and breaks its rules
};

}  // namespace portshare
