#include "core/hpack.h"

#include <gtest/gtest.h>

#include "tests/core/h2_builder.h"
#include "tests/core/hpack_vectors.h"

namespace portshare::test {
namespace {

TEST(Hpack, DecodesTheExamplesOfRfc7541) {
  for (const HpackExample& example : hpack_examples()) {
    SCOPED_TRACE(example.section);
    HpackDecoder decoder;
    if (example.table_size) decoder.change_table_size(*example.table_size);
    for (const HpackExample::Block& block : example.blocks) {
      HeaderFields fields;
      ASSERT_TRUE(decoder.decode(as_bytes(bytes_of_hex(block.hex)), true, fields));
      EXPECT_EQ(fields_of(fields), block.fields);
      // Only C.2.3 is never to be indexed.
      EXPECT_EQ(fields[0].never_indexed, example.section == "C.2.3");
    }
  }
}

TEST(Hpack, EncodesTheExamplesOfRfc7541SoThatTheyComeBack) {
  HpackEncoder encoder;
  HpackDecoder decoder;
  for (const HpackExample& example : hpack_examples()) {
    HpackDecoder reader;
    if (example.table_size) reader.change_table_size(*example.table_size);
    for (const HpackExample::Block& block : example.blocks) {
      HeaderFields fields;
      ASSERT_TRUE(reader.decode(as_bytes(bytes_of_hex(block.hex)), true, fields));
      std::vector<std::uint8_t> encoded;
      encoder.encode(fields, {}, encoded);
      HeaderFields decoded;
      ASSERT_TRUE(decoder.decode(encoded, true, decoded));
      EXPECT_EQ(fields_of(decoded), block.fields);
    }
  }
}

}  // namespace
}  // namespace portshare::test
