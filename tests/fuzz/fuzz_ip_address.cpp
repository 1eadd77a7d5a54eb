// Addresses, endpoints and prefixes: no crash, and what is accepted comes back the same from its own text.
#include "core/ip_address.h"

#include <cstdlib>

#include "core/byte_view.h"

namespace {

template <class Value>
void check(std::string_view text) {
  const std::optional<Value> value = Value::parse(text);
  if (value && Value::parse(value->to_string()) != value) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = portshare::as_text({data, size});
  check<portshare::IpAddress>(text);
  check<portshare::IpEndpoint>(text);
  check<portshare::IpPrefix>(text);
  return 0;
}
