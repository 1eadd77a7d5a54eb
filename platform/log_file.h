// A file that lines are appended to.
#pragma once

#include <cstdio>
#include <expected>
#include <string>

namespace portshare {

/// Opens for appending, makes the file if there is none, and never waits: not even for the reader of a named
/// pipe, which has to be there already. Without a buffer, so that fwrite tells how much the system has taken.
/// The caller closes it. The error is a clause: "permission denied".
///
/// `owner`, if not empty: the user whom a file that is made belongs to, so that who opens it as root can open
/// it again as that user. A file that was there stays whose it is.
[[nodiscard]] std::expected<std::FILE*, std::string> open_log_file(const std::string& path,
                                                                   const std::string& owner = {});

}  // namespace portshare
