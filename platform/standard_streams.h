// stdin, stdout and stderr as the program finds and leaves them.
#pragma once

#include <expected>
#include <string>

namespace portshare {

/// Puts /dev/null where one of the three is closed. Otherwise the next descriptor that is opened would be
/// stderr, a client's connection say, and get what is logged. To be called before anything is opened. False:
/// /dev/null cannot be opened.
[[nodiscard]] bool open_missing_standard_streams();

/// Whether stderr is a stream to the journal of systemd, as JOURNAL_STREAM has it: systemd.exec(5). The
/// journal has a time for each line, and a priority where one begins with "<0>" to "<7>": sd-daemon(3).
[[nodiscard]] bool is_stderr_journal();

/// Writes what is buffered for stdout. The error says why it, or anything before it, could not be written.
[[nodiscard]] std::expected<void, std::string> flush_stdout();

}  // namespace portshare
