// What `status`, `connections` and `top` make of the documents.
#include "dispatch/commands/top_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

#include "dispatch/commands/connections.h"
#include "dispatch/commands/status.h"
#include "dispatch/commands/text_table.h"
#include "dispatch/control/documents.h"
#include "tests/dispatch/control/fake_program.h"

namespace portshare {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  TextTable table({{.title = "NAME"}, {.title = "OPEN", .align = TextTable::Align::right}, {.title = "WHY"}});
  table.add({"a", "12,345", ""});
  table.add({"bücher.example", "1", "it is"});
  EXPECT_EQ(table.to_string(),
            "NAME              OPEN  WHY\n"
            "a               12,345\n"
            "bücher.example       1  it is\n");
}

TEST(TextTable, CutsWhatIsTooLongBetweenCharacters) {
  EXPECT_EQ(fitted("short", 8), "short   ");
  EXPECT_EQ(fitted("short", 8, TextTable::Align::right), "   short");
  EXPECT_EQ(fitted("much too long", 8), "much to…");
  EXPECT_EQ(fitted("äöüäöü", 4), "äöü…");
  EXPECT_EQ(fitted("x", 0), "");
}

TEST(TextTable, NumbersAreForPeople) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(1234), "1,234");
  EXPECT_EQ(count_text(12'340), "12.3k");
  EXPECT_EQ(count_text(4'560'000), "4.56M");
  EXPECT_EQ(rate_text(0.01), "<0.1");
  EXPECT_EQ(rate_text(3.44), "3.4");
  EXPECT_EQ(rate_text(120.4), "120");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1'230'000), "1.23 MB");
  EXPECT_EQ(latency_text(0.000019), "19 µs");
  EXPECT_EQ(latency_text(0.0025), "2.5 ms");
  EXPECT_EQ(age_text(59.9), "59 s");
  EXPECT_EQ(age_text(200), "3 min 20 s");
  EXPECT_EQ(age_text(3'600), "1 h");
  EXPECT_EQ(age_text(100'000), "1 d 3 h");
}

TEST(StatusText, NamesWhatIsWrong) {
  FakeProgram program;
  program.present.reload.last_succeeded = false;
  program.present.reload.faults = {"f.toml:3:1: error: nonsense"};
  program.present.workers[1].is_accepting = false;
  program.present.backends[0].servers[0].state = ServerStatus::State::down;
  program.present.backends[0].servers[0].reason = "connect: refused";
  const std::string text = status_text(status_document(program.present, program.registry, "1.2.3"));
  EXPECT_THAT(text, AllOf(HasSubstr("portshare 1.2.3, pid 4711"),
                          HasSubstr("! the last reload has failed: f.toml:3:1: error: nonsense\n"),
                          HasSubstr("! worker 1 has paused accepting"), HasSubstr("127.0.0.1:8001  down "),
                          HasSubstr("connect: refused")));
}

TEST(ConnectionsText, SaysWhenThereAreMore) {
  ConnectionList list;
  list.matching = 7;
  ConnectionView view;
  view.listener = "web";
  view.name = "one.example";
  view.state = "relaying";
  list.connections.push_back(ConnectionInfo::of(view));
  EXPECT_THAT(connections_text(connections_document(list)),
              AllOf(HasSubstr("one.example"), HasSubstr("1 of 7; --limit shows more\n")));
  EXPECT_EQ(connections_text(connections_document({})), "no connections\n");
}

class TopScreenTest : public testing::Test {
 protected:
  TopScreenTest() {
    RateMeter meter;
    (void)meter.take(program_.present, seconds{1});
    Counters& counters = program_.present.workers[0].counters;
    counters.accepted[0] = 50;
    counters.backends[1].bytes_out = 5'000'000;
    counters.closed[Counters::closed_key(0, 1)][std::to_underlying(Outcome::refused)] = 3;
    program_.present.workers[0].names = {
        .names = {{.name = "a-name-that-is-far-too-long-for-the-column-that-it-has.example", .count = 40},
                  {.name = "evil\x1b[2J.example", .count = 1}},
        .time = seconds{10}};
    program_.present.workers[0].failures = {{.time = program_.present.time,
                                             .listener = 0,
                                             .backend = 1,
                                             .outcome = Outcome::refused,
                                             .client = std::nullopt,
                                             .server = "127.0.0.1:8001",
                                             .name = "one.example"}};
    details_ = *meter.take(program_.present, seconds{2});
    screen_.take("history", history_document({details_.sample}));
    screen_.take("sample", sample_document(details_, program_.present, program_.registry, "1.2.3"));
  }

  FakeProgram program_;
  SampleDetails details_;
  TopScreen screen_;
};

TEST_F(TopScreenTest, FitsTheTerminal) {
  for (const auto& [columns, rows] :
       {std::pair<std::size_t, std::size_t>{80, 24}, {132, 50}, {40, 10}, {10, 3}}) {
    std::istringstream lines(screen_.draw({.columns = columns, .rows = rows, .has_colours = false}));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(width_of(line), columns) << line;
    EXPECT_LE(count, rows);
  }
}

TEST_F(TopScreenTest, CutsNoNumberAtEightyColumns) {
  Counters& counters = program_.present.workers[0].counters;
  for (int i = 0; i < 200; ++i) {
    counters.connect.record(std::chrono::microseconds{12'345});
    counters.first_flight.record(std::chrono::microseconds{123'456});
  }
  RateMeter meter;
  (void)meter.take(FakeProgram().present, seconds{1});
  const auto details = *meter.take(program_.present, seconds{2});
  screen_.take("sample", sample_document(details, program_.present, program_.registry, "1.2.3"));
  std::istringstream lines(screen_.draw({.columns = 80, .rows = 24, .has_colours = false}));
  std::string line;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_THAT(line, Not(HasSubstr("…")));
  }
  EXPECT_THAT(line, AllOf(HasSubstr("connect"), HasSubstr("first flight p50 "), HasSubstr(" ms")));
}

TEST_F(TopScreenTest, ShowsRatesBackendsNamesAndErrors) {
  const std::string text = screen_.draw({.has_colours = false});
  EXPECT_THAT(text, AllOf(HasSubstr("new/s 50"), HasSubstr("failed/s 3.0"), HasSubstr("app "),
                          HasSubstr("5 MB"), HasSubstr("a-name-that-is-far-too"),
                          HasSubstr("08:00:00 refused         one.example -> app")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")))
      << "neither colours nor what a stranger's name would do to a terminal";
}

TEST_F(TopScreenTest, ColoursWhatHasFailed) {
  EXPECT_THAT(screen_.draw({}), HasSubstr("\x1b[1;31m3.0"));
}

}  // namespace
}  // namespace portshare
