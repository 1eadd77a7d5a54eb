#include "bench/first_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace portshare {

using Kind = FirstBytesSettings::Kind;

FirstBytes::FirstBytes(FirstBytesSettings settings) : settings_(std::move(settings)) {
  switch (settings_.kind) {
    case Kind::tls:
      hello_.emplace(settings_.hello_style, settings_.alpn);
      most_bytes_ = hello_->most_bytes();
      return;
    case Kind::http: {
      request_head_ = fmt::format("GET {} HTTP/1.1\r\nHost: ", settings_.path);
      request_tail_ = "\r\nUser-Agent: portshare-bench\r\nAccept: */*\r\nConnection: close\r\n\r\n";
      if (settings_.names.empty()) settings_.names.emplace_back("localhost");
      std::size_t longest = 0;
      for (const std::string& name : settings_.names) longest = std::max(longest, name.size());
      most_bytes_ = request_head_.size() + longest + request_tail_.size();
      return;
    }
    case Kind::raw:
      most_bytes_ = settings_.raw.size();
      return;
    case Kind::none:
      return;
  }
}

ByteView FirstBytes::compose(std::uint64_t number, Random& random, std::span<std::uint8_t> out) const {
  if (settings_.kind == Kind::none || settings_.kind == Kind::raw) return settings_.raw;
  const auto& names = settings_.names;
  std::string_view name;
  if (names.size() == 1)
    name = names.front();
  else if (!names.empty())
    name = names[settings_.names_in_turn ? number % names.size() : random.below(names.size())];
  if (hello_) return out.first(hello_->write(name, random, out));
  std::size_t length = 0;
  for (const std::string_view part :
       {std::string_view(request_head_), name, std::string_view(request_tail_)}) {
    std::ranges::copy(as_bytes(part), out.subspan(length).begin());
    length += part.size();
  }
  return out.first(length);
}

std::string FirstBytes::describe() const {
  const std::size_t count = settings_.names.size();
  const std::string names = count == 1 ? settings_.names.front() : fmt::format("{} names", count);
  switch (settings_.kind) {
    case Kind::tls: {
      Random random(0);
      std::vector<std::uint8_t> room(most_bytes_);
      return fmt::format("TLS ClientHello of {} bytes, {}", compose(0, random, room).size(),
                         count == 0 ? "no name" : names);
    }
    case Kind::http:
      return fmt::format("HTTP GET, {}", names);
    case Kind::raw:
      return fmt::format("{} raw bytes", settings_.raw.size());
    case Kind::none:
      break;
  }
  return "no first bytes";
}

}  // namespace portshare
