// `bitsweep export --format verilog`: one layer of a trial's integer network with the codes that it
// reads for a test image, and its simulation in Icarus Verilog.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "integer/verilog.h"

namespace bitsweep::cli {

// settings: of the trial, flat. image: position among its test images. Throws ConfigError for a
// layer or image that there is not; DataError where the data set is missing.
integer::Hardware layer_hardware(const integer::Network& network, const nlohmann::json& settings,
                                 const std::string& layer, std::int64_t image);

struct Simulation {
  std::int64_t expected = 0;  // outputs, one a line
  std::int64_t simulated = 0;
  std::int64_t equal = 0;  // at the same place
  std::int64_t clocks = 0;
  double seconds = 0;  // of compiling and simulating
  // Place (from 0) of the first output that is not equal, or missing on one side.
  std::optional<std::int64_t> first_difference;

  bool is_equal() const { return !first_difference; }
};

// Throws EnvironmentError where Icarus Verilog is not installed.
void require_simulator();

// Compiles and runs `hardware`, whose files lie in `folder`, and compares its output with the
// expected one. Throws EnvironmentError where the simulator refuses it.
Simulation simulate(const integer::Hardware& hardware, const std::filesystem::path& folder);

}  // namespace bitsweep::cli
