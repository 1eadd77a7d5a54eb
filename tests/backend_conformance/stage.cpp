#include "tests/backend_conformance/stage.h"

#include <algorithm>

#include "core/random.h"
#include "platform/simulated.h"
#include "tests/backend_conformance/real_stage.h"

namespace portshare {

namespace {

class SimulatedStage final : public Stage {
 public:
  SimulatedStage(std::uint64_t seed, const SimulatedFaults& faults) : network_(seed, faults) {}

  std::expected<std::unique_ptr<Backend>, std::string> make_backend() override {
    return std::make_unique<SimulatedBackend>(network_);
  }
  std::optional<Socket> listen(const SocketAddress& address) override { return network_.listen(address); }
  SocketAddress address_of(Socket listener) override { return network_.listening_address(listener); }
  void close_listener(Socket listener) override { network_.close_listener(listener); }
  Socket listen_with_short_queue(const SocketAddress& address) override {
    change([](SimulatedFaults& faults) { faults.backlog = 1; });
    return network_.listen(address);
  }
  SocketAddress unix_address() override {
    return {.ip = std::nullopt, .unix_path = "/run/" + std::to_string(next_path_++)};
  }
  void forbid_descriptors() override {
    change([&](SimulatedFaults& faults) { faults.descriptor_limit = network_.open_sockets(); });
  }
  void allow_descriptors() override {
    change([](SimulatedFaults& faults) { faults.descriptor_limit = SIZE_MAX; });
  }
  [[nodiscard]] std::optional<std::chrono::milliseconds> wait_for_threads() const override {
    return std::chrono::milliseconds{1};  // its clock does not pass while other threads work
  }
  [[nodiscard]] std::size_t bulk_size() const override { return std::size_t{1024} * 1024; }

 private:
  void change(auto function) {
    SimulatedFaults faults = network_.faults();
    function(faults);
    network_.set_faults(faults);
  }

  SimulatedNetwork network_;
  int next_path_ = 0;
};

SimulatedFaults rough(std::uint64_t seed) {
  Random random(seed);
  SimulatedFaults faults = SimulatedFaults::draw_harmless(random);
  // The bulk tests shall not take a million steps each; tiny buffers have their tests with the simulator.
  for (std::size_t* size : {&faults.send_buffer, &faults.receive_buffer, &faults.chunk_max})
    *size = std::max(*size, std::size_t{512});
  return faults;
}

}  // namespace

std::vector<EngineCase> all_engines() {
  std::vector<EngineCase> engines{
      {"io_uring", [] { return make_real_stage(Engine::io_uring); }},
      {"epoll", [] { return make_real_stage(Engine::epoll); }},
      {"simulated", [] { return std::make_unique<SimulatedStage>(1, SimulatedFaults::none()); }},
  };
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    engines.push_back({"simulated_seed_" + std::to_string(seed),
                       [seed] { return std::make_unique<SimulatedStage>(seed, rough(seed)); }});
  return engines;
}

}  // namespace portshare
