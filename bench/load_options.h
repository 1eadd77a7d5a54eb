// The options of the load commands, and what they mean.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <expected>
#include <span>
#include <string>

#include "bench/load_settings.h"
#include "platform/engine.h"

namespace portshare {

struct LoadDefaults {
  std::string duration = "10s";
  std::string warm_up = "0s";
};

/// All but the target.
void add_load_options(LoadKind kind, boost::program_options::options_description& options,
                      const LoadDefaults& defaults = {});

/// Resolves and reads everything; `targets` as the user wrote them. The error is a sentence.
[[nodiscard]] std::expected<LoadSettings, std::string> read_load_settings(
    LoadKind kind, const boost::program_options::variables_map& values, std::span<const std::string> targets);

/// --engine, with the words "auto", "io_uring" and "epoll", for commands that have one.
void add_engine_option(boost::program_options::options_description& options);
[[nodiscard]] std::expected<Engine, std::string> read_engine(
    const boost::program_options::variables_map& values);

}  // namespace portshare
