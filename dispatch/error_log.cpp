#include "dispatch/error_log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <memory>

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

std::shared_ptr<spdlog::logger> make_logger(const char* pattern) {
  auto logger = std::make_shared<spdlog::async_logger>(
      "portshare", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern(pattern);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

}  // namespace

ErrorLog::ErrorLog(LogLevel level) {
  spdlog::init_thread_pool(queued_lines, 1);
  auto logger = make_logger("%Y-%m-%dT%H:%M:%S.%f%z %l: %v");
  logger->set_level(to_spdlog(level));
  spdlog::set_default_logger(std::move(logger));
  announcer_ = make_logger("%v");
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
