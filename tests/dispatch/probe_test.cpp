// What `portshare probe` makes of results: here of systems that are made up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/commands/probe_results.h"
#include "dispatch/commands/probe_summary.h"
#include "dispatch/commands/probe_table.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::Each;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::ResultOf;

using Outcome = std::expected<BindOutcome, std::string>;
using System = std::function<Outcome(const BindTrial&)>;

constexpr int some_error = 98;
const BindOutcome bind_fails{.second = {.bind_error = some_error}, .first_got = 16};
const BindOutcome listen_fails{.second = {.listen_error = some_error}, .first_got = 16};
const BindOutcome first_gets_all{.second = {}, .first_got = 64};
const BindOutcome second_gets_all{.second = {}, .second_got = 16};
const BindOutcome both_get_some{.second = {}, .first_got = 30, .second_got = 34};
const BindOutcome nobody_gets_any{.second = {}, .refused = 16};

ProbeResults results_of(const System& system) {
  std::vector<ProbeResult> results;
  for (const BindTrial& trial : all_trials()) results.push_back({trial, system(trial)});
  return ProbeResults(std::move(results));
}

std::string summary_of(const System& system) {
  std::string text;
  for (const std::string& sentence : probe_summary(results_of(system))) text += sentence + '\n';
  return text;
}

std::vector<std::string> table_of(const System& system) {
  std::istringstream text(probe_table(results_of(system)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

bool both_have(const BindTrial& trial, ShareOption option) {
  return trial.first == option && trial.second == option;
}

/// As Linux does it.
Outcome strict(const BindTrial& trial) {
  const bool own_user = trial.owner != SecondOwner::other_user;
  if (trial.use != PortUse::listening) {
    const bool may =
        both_have(trial, ShareOption::reuse_address) ||
        (both_have(trial, ShareOption::reuse_port) && (own_user || trial.use == PortUse::time_wait));
    return may ? second_gets_all : bind_fails;
  }
  if (!both_have(trial, ShareOption::reuse_port) || !own_user) return bind_fails;
  if (trial.addresses.first == trial.addresses.second) return both_get_some;
  return trial.addresses.first == TrialAddress::loopback || trial.addresses.second == TrialAddress::any
             ? first_gets_all
             : second_gets_all;
}

/// As some systems did it: SO_REUSEADDR of the second socket is enough to get everything, for anybody.
Outcome lax(const BindTrial& trial) {
  return trial.second == ShareOption::reuse_address ? second_gets_all : bind_fails;
}

Outcome unprivileged(const BindTrial& trial) {
  return trial.owner == SecondOwner::other_user ? Outcome(std::unexpected("needs root")) : strict(trial);
}

TEST(ProbeResults, VerdictsAreReadFromErrorsAndNumbers) {
  const auto verdict = [](const BindOutcome& outcome) {
    return verdict_of({.trial = {}, .outcome = outcome});
  };
  EXPECT_EQ(verdict(bind_fails), ProbeVerdict::bind_fails);
  EXPECT_EQ(verdict(listen_fails), ProbeVerdict::listen_fails);
  EXPECT_EQ(verdict(first_gets_all), ProbeVerdict::first);
  EXPECT_EQ(verdict(second_gets_all), ProbeVerdict::second);
  EXPECT_EQ(verdict(both_get_some), ProbeVerdict::both);
  EXPECT_EQ(verdict(nobody_gets_any), ProbeVerdict::refused);
  EXPECT_EQ(verdict_of({.trial = {}, .outcome = std::unexpected("needs root")}), ProbeVerdict::not_tried);
  EXPECT_EQ(ProbeResults({}).verdict({}), ProbeVerdict::not_tried);
}

TEST(ProbeResults, EveryCombinationIsATrial) {
  const std::vector<BindTrial> trials = all_trials();
  EXPECT_EQ(trials.size(), std::size_t{3} * 5 * 3 * share_options().size() * share_options().size());
  for (const BindTrial& trial : trials) EXPECT_EQ(std::ranges::count(trials, trial), 1);
}

TEST(ProbeTable, OwnersWhoFareAlikeShareARow) {
  const auto lines = table_of(strict);
  EXPECT_THAT(lines, Contains(ContainsRegex("^  127.0.0.1, 127.0.0.1 +same user "
                                            "( +-){8} +1\\+2$")));
  EXPECT_THAT(lines, Contains(ContainsRegex("^ +other user ( +-){9}$")));
  EXPECT_THAT(lines, Contains(ContainsRegex("^  0.0.0.0, 127.0.0.1 +anyone ( +-){4} +2( +-){3} +2$")));
}

TEST(ProbeTable, EachVerdictHasItsSymbol) {
  const auto row = [](const BindOutcome& outcome) {
    const auto lines = table_of([&](const BindTrial&) { return Outcome(outcome); });
    return *std::ranges::find_if(lines, [](const std::string& line) { return line.starts_with("  127"); });
  };
  EXPECT_THAT(row(bind_fails), EndsWith("anyone          -   -   -     -   -   -     -   -   -"));
  EXPECT_THAT(row(listen_fails), EndsWith(" b"));
  EXPECT_THAT(row(first_gets_all), EndsWith(" 1"));
  EXPECT_THAT(row(second_gets_all), EndsWith(" 2"));
  EXPECT_THAT(row(both_get_some), EndsWith(" 1+2"));
  EXPECT_THAT(row(nobody_gets_any), EndsWith(" x"));
}

TEST(ProbeTable, TheColumnsStandUnderTheirOptions) {
  const auto lines = table_of([](const BindTrial& trial) {
    return Outcome(trial.first == ShareOption::reuse_address && trial.second == ShareOption::reuse_port
                       ? both_get_some
                       : bind_fails);
  });
  const auto& row =
      *std::ranges::find_if(lines, [](const std::string& line) { return line.starts_with("  127"); });
  const std::size_t column = row.find("1+2");
  const std::size_t group = lines[0].find("SO_REUSEADDR");
  EXPECT_EQ(lines[1].substr(column, 1), "P");
  EXPECT_LT(group, column);
  EXPECT_LT(column, lines[0].find("SO_REUSEPORT"));
}

TEST(ProbeTable, LinesFitIntoATerminal) {
  for (const System& system : {System(strict), System(lax), System(unprivileged)})
    EXPECT_THAT(table_of(system),
                Each(ResultOf([](const std::string& line) { return line.size(); }, Le(80U))));
}

TEST(ProbeTable, WhatWasNotTriedSaysWhy) {
  EXPECT_THAT(table_of(unprivileged), Contains(ContainsRegex("^ +other user +not tried: needs root$")));
}

TEST(ProbeSummary, OfAStrictSystem) {
  const std::string text = summary_of(strict);
  EXPECT_THAT(text,
              AllOf(HasSubstr("A listener without an option or with SO_REUSEADDR is exclusive"),
                    HasSubstr("with SO_REUSEPORT can lose connections to a second socket with SO_REUSEPORT "
                              "of the same user, not of another one: "),
                    HasSubstr("on the same address they share the connections at random"),
                    HasSubstr("a more specific address takes its connections from the wildcard"),
                    HasSubstr("0.0.0.0 takes connections of IPv4 from [::]")));
  EXPECT_THAT(text,
              AllOf(HasSubstr("A server with SO_REUSEADDR or with SO_REUSEPORT can be stopped and started "
                              "again at once."),
                    HasSubstr("But without an option"), HasSubstr("The option counts only if")));
  EXPECT_THAT(text, HasSubstr("another user can have its port"));
  EXPECT_THAT(text, Not(HasSubstr("Not everything")));
  EXPECT_THAT(
      text, EndsWith("nobody takes connections from it, and a restart is not held up by old connections.\n"));
}

TEST(ProbeSummary, OfASystemWhereAnyoneCanTakeAPort) {
  const std::string text = summary_of(lax);
  EXPECT_THAT(text, Not(HasSubstr("is exclusive")));
  for (const char* first : {"without an option", "with SO_REUSEADDR", "with SO_REUSEPORT"})
    EXPECT_THAT(text,
                HasSubstr(std::string("A listener ") + first +
                          " can lose connections to a second socket with SO_REUSEADDR of any user: on the "
                          "same address the second one gets all connections"));
  EXPECT_THAT(text, HasSubstr("OTHERS CAN TAKE CONNECTIONS FROM IT, but a restart is not held up"));
  EXPECT_THAT(text, Not(HasSubstr("The option counts only if")));
}

TEST(ProbeSummary, OfASystemWhereOldConnectionsHoldThePort) {
  const std::string text = summary_of([](const BindTrial&) { return Outcome(bind_fails); });
  EXPECT_THAT(text,
              AllOf(HasSubstr("nobody takes connections from it, but OLD CONNECTIONS HOLD UP A RESTART."),
                    HasSubstr("A server that listens without an option, with SO_REUSEADDR or with "
                              "SO_REUSEPORT"),
                    Not(HasSubstr("can be stopped"))));
}

TEST(ProbeSummary, WithinOneProcessIsNotAnotherUser) {
  const std::string text = summary_of([](const BindTrial& trial) {
    return trial.owner == SecondOwner::same_process ? lax(trial) : Outcome(bind_fails);
  });
  EXPECT_THAT(text, HasSubstr("of the same process, not of another one"));
}

TEST(ProbeSummary, SaysWhatWasNotTried) {
  const std::string text = summary_of(unprivileged);
  EXPECT_THAT(text, AllOf(HasSubstr("Not everything was tried (another user: needs root)."),
                          HasSubstr("SO_REUSEPORT of the same user: on the same"),
                          Not(HasSubstr("not of another")), Not(HasSubstr("another user can have"))));
}

TEST(ProbeSummary, ABrokenConnectionIsTold) {
  const auto with_life = [](bool lives) {
    return summary_of([&](const BindTrial& trial) {
      BindOutcome outcome = second_gets_all;
      outcome.established_lives = lives || trial.use != PortUse::connected;
      return Outcome(outcome);
    });
  };
  EXPECT_THAT(with_life(true), HasSubstr("Live connections of a closed listener go on"));
  EXPECT_THAT(with_life(false), HasSubstr("A live connection of the first socket broke"));
}

TEST(ProbeSummary, NothingFollowsFromNothing) {
  const ProbeResults none({});
  for (const ShareOption option : share_options()) {
    EXPECT_FALSE(keeps_its_connections(none, option));
    EXPECT_FALSE(restarts_at_once(none, option));
  }
}

}  // namespace
}  // namespace portshare
