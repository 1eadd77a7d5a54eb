// The examples of RFC 7541, appendix C.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/hpack.h"

namespace portshare::test {

struct HpackExample {
  struct Block {
    std::string_view hex;
    std::string fields;  ///< "name: value" each, joined by newlines
  };
  std::string_view section;
  std::vector<Block> blocks;  ///< one after the other on a connection
  std::optional<std::uint32_t> table_size = std::nullopt;
};

inline std::vector<HpackExample> hpack_examples() {
  const std::string first_request = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com";
  const std::string second_request = first_request + "\ncache-control: no-cache";
  const std::string third_request =
      ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: "
      "custom-value";
  const std::string behind_status = "\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT";
  const std::string location = "\nlocation: https://www.example.com";
  const std::string third_response =
      ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: "
      "https://www.example.com\ncontent-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; "
      "max-age=3600; version=1";
  // A decoder that has reduced its table wants to be told that the encoder knows: 3fe101 (section 4.2). The
  // RFC leaves that out.
  return {
      {"C.2.1", {{"400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header"}}},
      {"C.2.2", {{"040c2f73616d706c652f70617468", ":path: /sample/path"}}},
      {"C.2.3", {{"100870617373776f726406736563726574", "password: secret"}}},
      {"C.2.4", {{"82", ":method: GET"}}},
      {"C.3",
       {{"828684410f7777772e6578616d706c652e636f6d", first_request},
        {"828684be58086e6f2d6361636865", second_request},
        {"828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", third_request}}},
      {"C.4",
       {{"828684418cf1e3c2e5f23a6ba0ab90f4ff", first_request},
        {"828684be5886a8eb10649cbf", second_request},
        {"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", third_request}}},
      {"C.6",
       {{"3fe101488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b9"
         "7"
         "c8e9ae82ae43d3",
         ":status: 302" + behind_status + location},
        {"4883640effc1c0bf", ":status: 307" + behind_status + location},
        {"88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b396"
         "0"
         "d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
         third_response}},
       256},
  };
}

inline std::string fields_of(const HeaderFields& fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.count(); ++i) {
    if (i > 0) text += '\n';
    text.append(fields[i].name).append(": ").append(fields[i].value);
  }
  return text;
}

}  // namespace portshare::test
