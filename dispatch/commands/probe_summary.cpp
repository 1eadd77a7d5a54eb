#include "dispatch/commands/probe_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace portshare {
namespace {

constexpr AddressPair same_address{TrialAddress::loopback, TrialAddress::loopback};
constexpr AddressPair specific_beside_wildcard{TrialAddress::any_v4, TrialAddress::loopback};
constexpr AddressPair v4_beside_dual_stack{TrialAddress::any, TrialAddress::any_v4};
// What portshare's own listening sockets say (platform/listening_socket.cpp).
constexpr ShareOption own_option = ShareOption::reuse_address;

bool second_gets_some(ProbeVerdict verdict) {
  return verdict == ProbeVerdict::second || verdict == ProbeVerdict::both;
}

std::string with(ShareOption option) {
  return option == ShareOption::none ? "without an option" : fmt::format("with {}", to_string(option));
}

/// "a", "a or b", "a, b or c".
std::string join(const std::vector<std::string>& parts, std::string_view conjunction) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? fmt::format(" {} ", conjunction) : ", ";
    text += parts[i];
  }
  return text;
}

std::vector<std::string> with_each(const std::vector<ShareOption>& options) {
  std::vector<std::string> texts;
  texts.reserve(options.size());
  for (const ShareOption option : options) texts.push_back(with(option));
  return texts;
}

template <typename Predicate>
std::vector<ShareOption> options_which(Predicate predicate) {
  std::vector<ShareOption> options;
  std::ranges::copy_if(share_options(), std::back_inserter(options), predicate);
  return options;
}

/// Answers questions to the results of one run.
class Summary {
 public:
  explicit Summary(const ProbeResults& results) : results_(results) {}

  [[nodiscard]] std::vector<std::string> sentences() {
    say_who_keeps_connections();
    say_who_shares();
    say_dual_stack();
    say_restart();
    say_successors();
    say_what_lives();
    say_what_was_not_tried();
    say_own();
    return std::move(sentences_);
  }

 private:
  [[nodiscard]] ProbeVerdict verdict(PortUse use, const AddressPair& addresses, SecondOwner owner,
                                     ShareOption first, ShareOption second) const {
    return results_.verdict(
        {.use = use, .addresses = addresses, .owner = owner, .first = first, .second = second});
  }

  [[nodiscard]] bool was_tried(SecondOwner owner) const {
    return std::ranges::any_of(results_.all(), [&](const ProbeResult& result) {
      return result.trial.owner == owner && result.outcome.has_value();
    });
  }

  void say_who_keeps_connections() {
    const auto safe =
        options_which([&](ShareOption option) { return keeps_its_connections(results_, option); });
    if (safe.empty()) return;
    sentences_.push_back(
        fmt::format("A listener {} is exclusive: whatever option, address and owner the second socket had, "
                    "it got none of the connections.",
                    join(with_each(safe), "or")));
  }

  /// Those whose second socket with these options gets some connections of an open listener, in words.
  [[nodiscard]] std::optional<std::string> describe_takers(ShareOption first, ShareOption second) const {
    const auto takes = [&](SecondOwner owner) {
      return std::ranges::any_of(all_address_pairs, [&](const AddressPair& addresses) {
        return second_gets_some(verdict(PortUse::listening, addresses, owner, first, second));
      });
    };
    const bool inside = takes(SecondOwner::same_process);
    const bool outside = takes(SecondOwner::other_process);
    if (takes(SecondOwner::other_user)) return "of any user";
    if (outside)
      return was_tried(SecondOwner::other_user) ? "of the same user, not of another one" : "of the same user";
    if (inside) return "of the same process, not of another one";
    return std::nullopt;
  }

  [[nodiscard]] std::optional<ProbeVerdict> best_of_second(const AddressPair& addresses, ShareOption first,
                                                           ShareOption second) const {
    for (const SecondOwner owner : all_second_owners) {
      const ProbeVerdict found = verdict(PortUse::listening, addresses, owner, first, second);
      if (second_gets_some(found)) return found;
    }
    return std::nullopt;
  }

  void say_who_shares() {
    for (const ShareOption first : share_options()) {
      for (const ShareOption second : share_options()) {
        const auto takers = describe_takers(first, second);
        if (!takers) continue;
        std::vector<std::string> ways;
        if (const auto found = best_of_second(same_address, first, second)) {
          ways.emplace_back(*found == ProbeVerdict::both
                                ? "on the same address they share the connections at random"
                                : "on the same address the second one gets all connections");
        }
        if (const auto found = best_of_second(specific_beside_wildcard, first, second)) {
          ways.emplace_back(*found == ProbeVerdict::second
                                ? "a more specific address takes its connections from the wildcard"
                                : "a more specific address takes some of its connections from the wildcard");
        }
        if (best_of_second(v4_beside_dual_stack, first, second))
          ways.emplace_back("0.0.0.0 takes connections of IPv4 from [::]");
        sentences_.push_back(fmt::format("A listener {} can lose connections to a second socket {} {}{}{}.",
                                         with(first), with(second), *takers, ways.empty() ? "" : ": ",
                                         join(ways, "and")));
      }
    }
  }

  void say_dual_stack() {
    const ProbeVerdict found = verdict(PortUse::listening, v4_beside_dual_stack, SecondOwner::other_process,
                                       ShareOption::none, ShareOption::none);
    if (found == ProbeVerdict::not_tried) return;
    sentences_.emplace_back(
        found == ProbeVerdict::bind_fails || found == ProbeVerdict::listen_fails
            ? "[::] for both kinds of address holds the port of 0.0.0.0 too: one of the two fails, unless "
              "[::] is told IPV6_V6ONLY."
            : "[::] for both kinds of address leaves the port of 0.0.0.0 to others.");
  }

  void say_restart() {
    const auto restarts =
        options_which([&](ShareOption option) { return restarts_at_once(results_, option); });
    const auto waits = options_which([&](ShareOption option) {
      return !restarts_at_once(results_, option) &&
             verdict(PortUse::time_wait, same_address, SecondOwner::other_process, option, option) !=
                 ProbeVerdict::not_tried;
    });
    if (!restarts.empty())
      sentences_.push_back(fmt::format("A server {} can be stopped and started again at once.",
                                       join(with_each(restarts), "or")));
    if (!waits.empty())
      sentences_.push_back(
          fmt::format("{} {} it gets its port back only when no connection of its last run lives or is in "
                      "TIME_WAIT.",
                      restarts.empty() ? "A server that listens" : "But", join(with_each(waits), "or")));
    const bool both_must_say_it = std::ranges::any_of(restarts, [&](ShareOption option) {
      return option != ShareOption::none &&
             verdict(PortUse::time_wait, same_address, SecondOwner::other_process, ShareOption::none,
                     option) == ProbeVerdict::bind_fails;
    });
    if (both_must_say_it)
      sentences_.emplace_back(
          "The option counts only if the socket of the last run had it as well: one that starts with it "
          "does not get past what another one has left without it.");
  }

  /// Who may have the port when the first has closed its socket.
  void say_successors() {
    const auto takes_over = [&](ShareOption option) {
      return std::ranges::any_of(std::array{PortUse::connected, PortUse::time_wait}, [&](PortUse use) {
        return second_gets_some(verdict(use, same_address, SecondOwner::other_user, option, option));
      });
    };
    const auto options = options_which(takes_over);
    if (options.empty()) return;
    sentences_.push_back(
        fmt::format("Once a server {} has stopped, another user can have its port before it starts again.",
                    join(with_each(options), "or")));
  }

  void say_what_lives() {
    bool any = false;
    bool all_live = true;
    for (const ProbeResult& result : results_.all()) {
      if (result.trial.use != PortUse::connected || !result.outcome) continue;
      any = any || result.outcome->second.succeeded();
      all_live = all_live && result.outcome->established_lives;
    }
    if (!all_live) {
      sentences_.emplace_back("A live connection of the first socket broke when the second one came.");
    } else if (any) {
      sentences_.emplace_back("Live connections of a closed listener go on when another one takes the port.");
    }
  }

  void say_what_was_not_tried() {
    std::vector<std::string> reasons;
    for (const ProbeResult& result : results_.all()) {
      if (result.outcome) continue;
      std::string reason =
          fmt::format("{}{}", result.trial.owner == SecondOwner::other_user ? "another user: " : "",
                      result.outcome.error());
      if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
    }
    if (!reasons.empty())
      sentences_.push_back(fmt::format("Not everything was tried ({}).", join(reasons, "and")));
  }

  void say_own() {
    const bool keeps = keeps_its_connections(results_, own_option);
    const bool restarts = restarts_at_once(results_, own_option);
    std::string text = fmt::format("portshare listens {} alone: on this system ", with(own_option));
    text += keeps ? "nobody takes connections from it" : "OTHERS CAN TAKE CONNECTIONS FROM IT";
    text += keeps == restarts ? ", and " : ", but ";
    text += restarts ? "a restart is not held up by old connections." : "OLD CONNECTIONS HOLD UP A RESTART.";
    sentences_.push_back(std::move(text));
  }

  const ProbeResults& results_;
  std::vector<std::string> sentences_;
};

}  // namespace

std::vector<std::string> probe_summary(const ProbeResults& results) {
  return Summary(results).sentences();
}

bool keeps_its_connections(const ProbeResults& results, ShareOption option) {
  bool tried = false;
  for (const ProbeResult& result : results.all()) {
    if (result.trial.use != PortUse::listening || result.trial.first != option) continue;
    const ProbeVerdict verdict = verdict_of(result);
    if (second_gets_some(verdict) || verdict == ProbeVerdict::refused) return false;
    tried = tried || verdict != ProbeVerdict::not_tried;
  }
  return tried;
}

bool restarts_at_once(const ProbeResults& results, ShareOption option) {
  return std::ranges::all_of(std::array{PortUse::connected, PortUse::time_wait}, [&](PortUse use) {
    return results.verdict({.use = use,
                            .addresses = same_address,
                            .owner = SecondOwner::other_process,
                            .first = option,
                            .second = option}) == ProbeVerdict::second;
  });
}

}  // namespace portshare
