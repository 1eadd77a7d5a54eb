#include "dispatch/commands/probe_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace portshare {
namespace {

// A line fits into 80 columns.
constexpr std::size_t addresses_width = 22;
constexpr std::size_t owners_width = 16;
constexpr std::size_t cell_width = 4;
constexpr std::string_view group_separator = "  ";

std::string_view symbol(ProbeVerdict verdict) {
  switch (verdict) {
    case ProbeVerdict::not_tried:
      return "?";
    case ProbeVerdict::bind_fails:
      return "-";
    case ProbeVerdict::listen_fails:
      return "b";
    case ProbeVerdict::first:
      return "1";
    case ProbeVerdict::second:
      return "2";
    case ProbeVerdict::both:
      return "1+2";
    case ProbeVerdict::refused:
      return "x";
  }
  std::unreachable();
}

constexpr std::string_view legend =
    "  no   no option             A    SO_REUSEADDR          P  SO_REUSEPORT\n"
    "  same user: the second socket is of the same process, and of another one\n\n"
    "  -    the second socket's bind fails\n"
    "  b    its bind succeeds, its listen fails\n"
    "  x    it listens, and nobody gets any connection\n"
    "  1    both listen, the first gets all connections\n"
    "  2    the second listens and gets all connections\n"
    "  1+2  both listen and get connections, at random\n";

std::string_view title(PortUse use) {
  switch (use) {
    case PortUse::listening:
      return "The first socket listens";
    case PortUse::connected:
      return "The first socket was closed, a connection that it accepted lives";
    case PortUse::time_wait:
      return "The first socket was closed, a connection that it accepted is in TIME_WAIT";
  }
  std::unreachable();
}

std::string_view name(SecondOwner owner) {
  switch (owner) {
    case SecondOwner::same_process:
      return "same process";
    case SecondOwner::other_process:
      return "other process";
    case SecondOwner::other_user:
      return "other user";
  }
  std::unreachable();
}

/// As names a column, under the option of the first socket.
std::string_view short_name(ShareOption option) {
  switch (option) {
    case ShareOption::none:
      return "no";
    case ShareOption::reuse_address:
      return "A";
    case ShareOption::reuse_port:
      return "P";
  }
  std::unreachable();
}

/// Situations of one state and one pair of addresses which all came out alike.
struct Row {
  std::vector<SecondOwner> owners;
  std::vector<ProbeVerdict> verdicts;
  std::string reason;  // why none of them was tried; empty: they were
};

Row make_row(const ProbeResults& results, PortUse use, const AddressPair& addresses, SecondOwner owner) {
  Row row{.owners = {owner}, .verdicts = {}, .reason = {}};
  for (const ShareOption first : share_options()) {
    for (const ShareOption second : share_options()) {
      const BindTrial trial{
          .use = use, .addresses = addresses, .owner = owner, .first = first, .second = second};
      row.verdicts.push_back(results.verdict(trial));
      row.reason = results.reason(trial);
    }
  }
  const auto was_tried = [](ProbeVerdict verdict) { return verdict != ProbeVerdict::not_tried; };
  if (std::ranges::any_of(row.verdicts, was_tried)) row.reason.clear();
  return row;
}

std::vector<Row> make_rows(const ProbeResults& results, PortUse use, const AddressPair& addresses) {
  std::vector<Row> rows;
  for (const SecondOwner owner : all_second_owners) {
    Row row = make_row(results, use, addresses, owner);
    if (!rows.empty() && rows.back().verdicts == row.verdicts && rows.back().reason == row.reason) {
      rows.back().owners.push_back(owner);
    } else {
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

/// Those of a row are neighbours in `all_second_owners`. Both kinds of process are of the same user.
std::string_view describe_owners(const std::vector<SecondOwner>& owners) {
  if (owners.size() == all_second_owners.size()) return "anyone";
  if (owners.size() == 1) return name(owners.front());
  return owners.front() == SecondOwner::same_process ? "same user" : "other processes";
}

std::string describe(const AddressPair& addresses) {
  return fmt::format("{}, {}", to_string(addresses.first), to_string(addresses.second));
}

void add_labels(std::string& out, std::string_view addresses, std::string_view owners) {
  fmt::format_to(std::back_inserter(out), "  {:<{}}{:<{}}", addresses, addresses_width, owners, owners_width);
}

/// Ends the line, without the blanks before its end.
void end_line(std::string& out) {
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

/// What stands in the columns to the right of it.
void add_caption(std::string& out, std::string_view addresses, std::string_view caption) {
  fmt::format_to(std::back_inserter(out), "  {:<{}}{:>{}}", addresses, addresses_width, caption,
                 owners_width - 1);
  out += ' ';
}

void add_heading(std::string& out) {
  const std::size_t options = share_options().size();
  add_caption(out, "", "the first has:");
  for (const ShareOption first : share_options())
    fmt::format_to(std::back_inserter(out), "{:<{}}{}", to_string(first), options * cell_width,
                   group_separator);
  end_line(out);
  add_caption(out, "first, second address", "the second has:");
  for (std::size_t i = 0; i < options; ++i) {
    for (const ShareOption second : share_options())
      fmt::format_to(std::back_inserter(out), "{:<{}}", short_name(second), cell_width);
    out += group_separator;
  }
  end_line(out);
}

void add_row(std::string& out, std::string_view addresses, const Row& row) {
  add_labels(out, addresses, describe_owners(row.owners));
  if (!row.reason.empty()) {
    out += "not tried: " + row.reason + '\n';
    return;
  }
  for (std::size_t i = 0; i < row.verdicts.size(); ++i) {
    if (i > 0 && i % share_options().size() == 0) out += group_separator;
    fmt::format_to(std::back_inserter(out), "{:<{}}", symbol(row.verdicts[i]), cell_width);
  }
  end_line(out);
}

}  // namespace

std::string probe_table(const ProbeResults& results) {
  std::string out;
  add_heading(out);
  for (const PortUse use : all_port_uses) {
    fmt::format_to(std::back_inserter(out), "\n{}\n", title(use));
    for (const AddressPair& addresses : all_address_pairs) {
      std::string label = describe(addresses);
      for (const Row& row : make_rows(results, use, addresses)) {
        add_row(out, label, row);
        label.clear();
      }
    }
  }
  return out + '\n' + std::string(legend);
}

}  // namespace portshare
