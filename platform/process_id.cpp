#include "platform/process_id.h"

#include <unistd.h>

namespace portshare {

int process_id() {
  return ::getpid();
}

}  // namespace portshare
