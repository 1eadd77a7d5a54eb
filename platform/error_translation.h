// The system's error codes in our words: the one place where an errno becomes a Status.
#pragma once

#include "platform/op.h"

namespace portshare {

/// `error` is a positive errno. Closed: what is not listed there is `failed`.
[[nodiscard]] Status status_of(int error);

/// True for what accept(2) reports about the connection that waited instead of about the listener: that one
/// is gone, the next may be fine, and nobody needs to hear of it.
[[nodiscard]] bool is_about_the_waiting_connection(int accept_error);

}  // namespace portshare
