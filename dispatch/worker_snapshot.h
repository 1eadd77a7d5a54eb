// A snapshot as one worker serves it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "dispatch/server_choice.h"
#include "dispatch/snapshot.h"

namespace portshare {

/// Belongs to its worker's thread, as do the counts of whoever uses it: a snapshot goes when a newer one has
/// taken its place and its last connection has ended.
class WorkerSnapshot {
 public:
  /// `logs_access`: somebody takes records, if the configuration wants any.
  WorkerSnapshot(std::shared_ptr<const Snapshot> snapshot, std::uint32_t worker, bool logs_access);
  WorkerSnapshot(const WorkerSnapshot&) = delete;
  WorkerSnapshot& operator=(const WorkerSnapshot&) = delete;

  [[nodiscard]] std::uint32_t number() const { return snapshot_->number; }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const ServerPool& servers() const { return servers_; }
  /// Under which numbers things are counted.
  [[nodiscard]] const MetricIds& metric_ids() const { return *metric_ids_; }
  [[nodiscard]] const std::vector<ListeningSocket>& sockets() const { return snapshot_->sockets; }
  [[nodiscard]] ServerChoice& choice() { return choice_; }
  [[nodiscard]] bool logs_access() const { return logs_access_; }
  /// Whether a listener's connections have to be asked for their addresses, which are system calls.
  [[nodiscard]] bool needs_source(std::uint32_t listener) const { return needs_[listener].source; }
  [[nodiscard]] bool needs_destination(std::uint32_t listener) const { return needs_[listener].destination; }
  /// Null: the listener has no limits.
  [[nodiscard]] ListenerAdmission* admission(std::uint32_t listener) const {
    return snapshot_->admission ? snapshot_->admission->of(listener) : nullptr;
  }

  /// The listener here that has the name of one there; none if there is no such any more.
  [[nodiscard]] std::optional<std::uint32_t> same_listener(const WorkerSnapshot& there,
                                                           std::uint32_t listener) const;
  struct Place {
    std::uint32_t backend;
    std::uint32_t server;
  };
  /// The same server of the backend of the same name.
  [[nodiscard]] std::optional<Place> same_server(const WorkerSnapshot& there, const Place& place) const;

  /// The server by its text, of the backend of that name.
  [[nodiscard]] std::optional<Place> place_of(std::string_view backend, std::string_view server) const;
  [[nodiscard]] std::optional<std::uint32_t> listener_named(std::string_view name) const;

  /// Whether the client was the first to say something on each of the last connections to a backend, so that
  /// it will probably be on the next one. To be asked where nobody has looked at a client's bytes.
  [[nodiscard]] bool clients_speak_first(std::uint32_t backend) const {
    return client_first_streaks_[backend] == sure_after;
  }
  void note_first_speaker(std::uint32_t backend, bool is_client) {
    std::uint8_t& streak = client_first_streaks_[backend];
    streak = is_client ? std::min<std::uint8_t>(streak + 1, sure_after) : 0;
  }

  void pin() { ++users_; }
  void unpin() { --users_; }
  [[nodiscard]] bool is_used() const { return users_ > 0; }

 private:
  struct AddressNeeds {
    bool source;
    bool destination;
  };

  static constexpr std::uint8_t sure_after = 64;  // connections

  std::shared_ptr<const Snapshot> snapshot_;
  const Config& config_;
  const ServerPool& servers_;
  std::shared_ptr<const MetricIds> metric_ids_;
  ServerChoice choice_;
  bool logs_access_;
  std::vector<AddressNeeds> needs_;                 // by listener
  std::vector<std::uint8_t> client_first_streaks_;  // by backend
  std::size_t users_ = 0;
};

}  // namespace portshare
