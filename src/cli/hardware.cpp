#include "cli/hardware.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "config/trial.h"
#include "core/error.h"
#include "core/file.h"
#include "core/program.h"
#include "core/stopwatch.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "data/normalize.h"
#include "integer/reference.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

// As the trial evaluates it.
std::vector<float> test_image(const nlohmann::json& settings, const graph::Shape& shape,
                              std::int64_t position) {
  config::TrialConfig config = config::to_trial(config::Settings::from_json(settings));
  config.data.image_size = shape.height;
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const data::Images test = data::load_images(
      dataset, data::selection_of(config.data, data::Split::test), config.data.root);
  if (position >= test.count()) {
    throw ConfigError(
        fmt::format("--image {}: the trial has {} test images, from 0", position, test.count()));
  }
  std::vector<float> out(static_cast<std::size_t>(test.shape.elements()));
  data::normalized_batch(test, std::span(&position, 1),
                         data::normalization(config.data.normalize, dataset), out.data());
  return out;
}

ProgramResult run_simulator(const std::vector<std::string>& command, const fs::path& folder) {
  auto result = run_program(command, folder);
  if (!result) {
    throw EnvironmentError(fmt::format(
        "--simulate: {} cannot be started; it is Icarus Verilog's: apt-get install iverilog",
        command.front()));
  }
  if (!result->ok()) {
    throw EnvironmentError(fmt::format("{} in {} ended with exit code {}: {}", join(command, " "),
                                       folder.string(), result->exit_code, trim(result->output)));
  }
  return std::move(*result);
}

// What the testbench prints: "COUNT clocks".
std::int64_t clocks_of(const std::string& output) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(output.data(), output.data() + output.size(), out);
  if (error != std::errc() || !std::string_view(end).starts_with(" clocks")) {
    throw EnvironmentError(fmt::format("vvp printed no count of clocks but: {}", trim(output)));
  }
  return out;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> out = split(read_text_file(path), '\n');
  if (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

}  // namespace

integer::Hardware layer_hardware(const integer::Network& network, const nlohmann::json& settings,
                                 const std::string& layer, std::int64_t image) {
  integer::hardware_step(network, layer);  // refused before the data set is looked for
  const std::vector<float> values = test_image(settings, network.input().shape, image);
  return integer::hardware_of(network, layer, integer::run_reference(network, values));
}

void require_simulator() {
  run_simulator({"iverilog", "-V"}, {});
  run_simulator({"vvp", "-V"}, {});
}

Simulation simulate(const integer::Hardware& hardware, const fs::path& folder) {
  const std::string& module = hardware.module;
  fs::remove(folder / hardware.output_file);  // never an earlier one's
  const Stopwatch watch;
  const std::string program = module + ".vvp";
  const ProgramResult compiled = run_simulator(
      {"iverilog", "-Wall", "-o", program, module + ".v", module + "_test.v"}, folder);
  fmt::print(stderr, "{}", compiled.output);  // warnings
  Simulation out;
  out.clocks = clocks_of(run_simulator({"vvp", "-n", program}, folder).output);
  out.seconds = watch.seconds();
  const std::vector<std::string> expected = lines_of(folder / hardware.expected_file);
  const std::vector<std::string> simulated = lines_of(folder / hardware.output_file);
  out.expected = static_cast<std::int64_t>(expected.size());
  out.simulated = static_cast<std::int64_t>(simulated.size());
  const std::size_t both = std::min(expected.size(), simulated.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (expected[i] == simulated[i]) {
      ++out.equal;
    } else if (!out.first_difference) {
      out.first_difference = static_cast<std::int64_t>(i);
    }
  }
  if (!out.first_difference && expected.size() != simulated.size()) {
    out.first_difference = static_cast<std::int64_t>(both);
  }
  return out;
}

}  // namespace bitsweep::cli
