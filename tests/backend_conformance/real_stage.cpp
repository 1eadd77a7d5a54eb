#include "tests/backend_conformance/real_stage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "platform/descriptor_limit.h"
#include "platform/listening_socket.h"

namespace portshare {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class RealStage final : public Stage {
 public:
  explicit RealStage(Engine engine) : engine_(engine) {
    raise_descriptor_limit();
    if (::getrlimit(RLIMIT_NOFILE, &limit_) != 0) fail("getrlimit");
    std::string pattern = (std::filesystem::temp_directory_path() / "conformance-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) fail("mkdtemp");
    folder_ = pattern;
  }
  RealStage(const RealStage&) = delete;
  RealStage& operator=(const RealStage&) = delete;
  ~RealStage() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::expected<std::unique_ptr<Backend>, std::string> make_backend() override {
    auto backend = make_engine(engine_);
    if (backend) return std::move(*backend);
    // A test that is skipped because of a fault of ours would be a test that can't fail.
    if (!backend.error().may_fall_back) throw std::runtime_error(backend.error().reason);
    return std::unexpected(backend.error().reason);
  }

  std::optional<Socket> listen(const SocketAddress& address) override {
    const auto listener = open_listening_socket(address);
    if (listener) return *listener;
    if (listener.error().status == Status::unreachable) return std::nullopt;
    throw std::runtime_error(listener.error().message);
  }

  SocketAddress address_of(Socket listener) override { return address_of_listening_socket(listener); }
  void close_listener(Socket listener) override { close_listening_socket(listener); }

  Socket listen_with_short_queue(const SocketAddress& address) override {
    const auto listener = listen(address);
    if (!listener) throw std::runtime_error("cannot listen on " + address.to_string());
    // Another listen() on the same socket sets a new length. The kernel lets one more wait than asked for.
    if (::listen(std::to_underlying(*listener), 0) != 0) fail("listen");
    return *listener;
  }

  SocketAddress unix_address() override {
    return {.ip = std::nullopt, .unix_path = folder_ + "/" + std::to_string(next_path_++)};
  }

  void forbid_descriptors() override {
    // The limit is on numbers, not on how many are in use: nothing from the lowest free one on.
    const int lowest_free = ::dup(STDERR_FILENO);
    if (lowest_free < 0) fail("dup");
    ::close(lowest_free);
    set_limit({.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = limit_.rlim_max});
  }
  void allow_descriptors() override { set_limit(limit_); }

  [[nodiscard]] std::optional<std::chrono::milliseconds> wait_for_threads() const override {
    return std::nullopt;
  }
  // tcp_wmem and tcp_rmem let each side hold up to 4 and 6 MiB, where they have not been raised.
  [[nodiscard]] std::size_t bulk_size() const override { return std::size_t{64} * 1024 * 1024; }

 private:
  static void set_limit(const rlimit& limit) {
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  }

  const Engine engine_;
  rlimit limit_{};
  std::string folder_;
  int next_path_ = 0;
};

}  // namespace

std::unique_ptr<Stage> make_real_stage(Engine engine) {
  return std::make_unique<RealStage>(engine);
}

}  // namespace portshare
