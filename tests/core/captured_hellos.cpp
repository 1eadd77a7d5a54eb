#include "tests/core/captured_hellos.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string_view>

namespace portshare::test {
namespace {

void require(bool holds, const std::filesystem::path& path, std::string_view what) {
  if (holds) return;
  std::cerr << path << ": " << what << '\n';
  std::exit(1);
}

/// The text behind "KEY: ", of the next line.
std::string read_field(std::ifstream& file, const std::filesystem::path& path, std::string_view key) {
  std::string line;
  std::getline(file, line);
  require(line.starts_with(std::string(key) + ":"), path, "the field " + std::string(key) + " is missing");
  return line.substr(std::min(line.size(), key.size() + 2));
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return parts;
}

void append_hex(std::string_view line, const std::filesystem::path& path, std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  require(line.size() % 2 == 0 && line.find_first_not_of(digits) == std::string_view::npos, path,
          "not hexadecimal");
  for (std::size_t i = 0; i < line.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(digits.find(line[i]) * 16 + digits.find(line[i + 1])));
}

CapturedHello read_hello(const std::filesystem::path& path) {
  std::ifstream file(path);
  CapturedHello hello;
  hello.file = path.stem().string();
  hello.program = read_field(file, path, "program");
  read_field(file, path, "command");
  hello.server_name = read_field(file, path, "server_name");
  hello.alpn = split_at_commas(read_field(file, path, "alpn"));
  hello.has_encrypted_client_hello = read_field(file, path, "encrypted_client_hello") == "yes";
  hello.behind = std::stoul(read_field(file, path, "behind"));
  for (std::string line; std::getline(file, line);) append_hex(line, path, hello.bytes);
  require(!hello.bytes.empty(), path, "no bytes");
  return hello;
}

}  // namespace

const std::vector<CapturedHello>& captured_hellos() {
  static const std::vector<CapturedHello> hellos = [] {
    const std::filesystem::path folder(PORTSHARE_HELLOS);
    std::vector<CapturedHello> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".hello") found.push_back(read_hello(entry.path()));
    require(!found.empty(), folder, "no .hello file");
    std::ranges::sort(found, {}, &CapturedHello::file);
    return found;
  }();
  return hellos;
}

}  // namespace portshare::test
