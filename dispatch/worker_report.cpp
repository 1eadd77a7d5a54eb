// What a worker tells about itself and its connections, on its own thread.
#include <algorithm>
#include <utility>

#include "dispatch/worker.h"

namespace portshare {

namespace {

// Memory of names that is kept for the next sessions: with as much, a worker does not allocate for names.
constexpr std::size_t most_spare_texts = 1024;
constexpr std::size_t longest_spare_text = 512;

}  // namespace

std::string Worker::spare_text() {
  if (spare_texts_.empty()) return {};
  std::string text = std::move(spare_texts_.back());
  spare_texts_.pop_back();
  return text;
}

void Worker::keep_text(std::string text) {
  const bool has_memory = text.capacity() > std::string().capacity();
  if (!has_memory || text.capacity() > longest_spare_text || spare_texts_.size() == most_spare_texts) return;
  text.clear();
  spare_texts_.push_back(std::move(text));
}

WorkerReport Worker::report() {
  return {.counters = metrics_.counters,
          .names = metrics_.names.counts(loop_.now()),
          .failures = metrics_.failures.list(),
          .connections = session_count(),
          .loop_turns = loop_.turns(),
          .buffers = loop_.buffers().outstanding(),
          .pipes = loop_.backend().pipes_in_use(),
          .access_records_lost = options_.access_log ? options_.access_log->lost() : 0,
          .is_accepting = !paused_ && !draining_};
}

ConnectionView Worker::view_of(const Session& session) const {
  ConnectionView view;
  view.worker = options_.index;
  session.describe(view);
  return view;
}

void Worker::list_connections(const ConnectionFilter& filter, ConnectionList& list) const {
  // The newest session is the first of ours. The oldest of all workers are wanted, and one may have them all.
  std::vector<ConnectionInfo> found;
  for (const Session* session = first_session_; session; session = session->next) {
    const ConnectionView view = view_of(*session);
    if (!filter.matches(view)) continue;
    ++list.matching;
    if (filter.limit > 0) found.push_back(ConnectionInfo::of(view));
    if (found.size() >= 2 * filter.limit) {
      found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(filter.limit));
    }
  }
  const std::size_t kept = std::min(found.size(), filter.limit);
  std::move(found.rbegin(), found.rbegin() + static_cast<std::ptrdiff_t>(kept),
            std::back_inserter(list.connections));
}

std::size_t Worker::end_connections(const ConnectionFilter& filter) {
  std::size_t ended = 0;
  for (Session* session = first_session_; session;) {
    Session* next = session->next;
    const ConnectionView view = view_of(*session);
    if (view.state != "ending" && filter.matches(view)) {
      session->terminate(Outcome::shutdown, CloseMode::reset);
      ++ended;
    }
    session = next;
  }
  return ended;
}

}  // namespace portshare
