// The ClientHellos of tests/core/hellos, each captured from a real program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace portshare::test {

struct CapturedHello {
  std::string file;     ///< its name, which tells program, version and variant
  std::string program;  ///< as it calls itself
  std::vector<std::uint8_t> bytes;
  std::string server_name;        ///< this and what follows: what the program was asked to send
  std::vector<std::string> alpn;  ///< in its order
  bool has_encrypted_client_hello = false;
  std::size_t behind = 0;  ///< bytes behind the hello's last record: early data
};

/// All of them, by name. Ends the program if a file is not as README.md there says.
const std::vector<CapturedHello>& captured_hellos();

}  // namespace portshare::test
