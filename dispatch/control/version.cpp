#include "dispatch/control/version.h"

namespace portshare {

std::string_view version() {
  return PORTSHARE_VERSION;
}

}  // namespace portshare
