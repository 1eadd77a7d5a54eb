// Texts that are names, addresses or neither, for tests to which only their bytes matter.
#pragma once

#include <string>
#include <vector>

namespace portshare::test {

inline std::vector<std::string> name_texts() {
  return {"www.example.com",
          "WWW.Example.COM.:443",
          "xn--bcher-kva.example:",
          "a..b",
          "-_.-",
          std::string(255, 'a'),
          std::string(256, 'a'),
          std::string(127, '.') + "a:65535",
          "192.0.2.1:8080",
          "255.255.255.255.",
          "1.2.3",
          "198.51.100.0/24",
          "0.0.0.0/33",
          "::",
          "::1",
          "[2001:db8::1]:443",
          "[2001:0db8:0000:0000:0000:0000:0000:0001]",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65536",
          "::ffff:192.0.2.1",
          "1:2:3:4:5:6:255.255.255.255",
          "1::2::3",
          "2001:db8::/32",
          "2001:db8::/129",
          "[::1",
          "[::1]x",
          ":::::::::",
          std::string("a\0b", 3),
          std::string("b\xc3\xbc") + "cher.example",
          "\xff\xff"};
}

}  // namespace portshare::test
