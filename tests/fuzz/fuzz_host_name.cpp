// Host names out of the first bytes: no crash, and whatever is accepted is in the form that look-ups rely on.
#include "core/host_name.h"

#include <algorithm>
#include <cstdlib>

#include "core/byte_view.h"
#include "core/ip_address.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const std::expected<portshare::HostName, portshare::HostName::Error>& name) {
  if (!name) return;
  const std::string_view text = name->view();
  require(!text.empty() && text.size() <= portshare::HostName::max_length);
  if (name->is_address()) {
    const auto address = portshare::IpAddress::parse(text);
    require(address && address->to_string() == text);
    return;
  }
  require(std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  }));
  require(text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos);
  // A normalised name is a name, and stays as it is.
  const auto again = portshare::HostName::from_authority(text);
  require(again && again->view() == text && !again->port());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = portshare::as_text({data, size});
  check(portshare::HostName::from_server_name(text));
  check(portshare::HostName::from_authority(text));
  return 0;
}
