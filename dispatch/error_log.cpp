#include "dispatch/error_log.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include "platform/standard_streams.h"

namespace portshare {
namespace {

constexpr std::size_t queued_lines = 8192;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// "<3>" of an error, and so on: the numbers of syslog(3).
class JournalPriority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    line.append(priority_of(message.level));
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }

 private:
  static std::string_view priority_of(spdlog::level::level_enum level) {
    if (level >= spdlog::level::err) return "<3>";
    if (level == spdlog::level::warn) return "<4>";
    return level == spdlog::level::info ? "<6>" : "<7>";
  }
};

std::unique_ptr<spdlog::formatter> make_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (is_stderr_journal()) {
    formatter->add_flag<JournalPriority>('*').set_pattern("%*%l: %v");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %l: %v");
  }
  return formatter;
}

std::shared_ptr<spdlog::logger> make_logger(std::unique_ptr<spdlog::formatter> formatter) {
  auto logger = std::make_shared<spdlog::async_logger>(
      "portshare", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

}  // namespace

ErrorLog::ErrorLog(LogLevel level) {
  spdlog::init_thread_pool(queued_lines, 1);
  auto logger = make_logger(make_formatter());
  logger->set_level(to_spdlog(level));
  spdlog::set_default_logger(std::move(logger));
  announcer_ = make_logger(std::make_unique<spdlog::pattern_formatter>("%v"));
}

ErrorLog::~ErrorLog() {
  announcer_.reset();
  spdlog::shutdown();
}

void set_log_level(LogLevel level) {
  spdlog::set_level(to_spdlog(level));
}

void ErrorLog::announce(const std::string& line) {
  announcer_->info(line);
}

}  // namespace portshare
