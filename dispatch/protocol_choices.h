// The words by which the configuration file names protocols.
#pragma once

#include <array>
#include <cstddef>

#include "core/protocol.h"
#include "dispatch/setting_reader.h"

namespace portshare {

inline constexpr auto protocol_choices = [] {
  std::array<Choice<Protocol>, all_protocols.size()> choices{};
  for (std::size_t i = 0; i < choices.size(); ++i) {
    choices[i] = {to_string(all_protocols[i]), all_protocols[i]};
  }
  return choices;
}();

}  // namespace portshare
