// `bitsweep bench`: our kernels and evaluations against their peers, in one process and one run.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/locations.h"
#include "core/text.h"
#include "run/provenance.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::vector<std::string> which;
  int threads = 1;
  bool json = false;
};

std::string cell(const nlohmann::json& row, const char* name, const char* format) {
  const auto it = row.find(name);
  if (it == row.end() || !it->is_number()) return "–";
  return fmt::format(fmt::runtime(format), it->get<double>());
}

ExitCode run(const Options& options) {
  // As `run` starts its workers, so that both sides are at their best (docs/decisions/0003).
  ::setenv("MALLOC_MMAP_MAX_", "0", 1);
  ::setenv("MALLOC_TRIM_THRESHOLD_", "4294967296", 1);
  ::setenv("OMP_NUM_THREADS", std::to_string(options.threads).c_str(), 1);
  std::vector<std::string> command = {worker_program().string(), "--bench",
                                      options.which.empty() ? "all" : join(options.which, ","),
                                      "--threads", std::to_string(options.threads)};
  const std::string text = run::output_of(command);
  const auto result = nlohmann::json::parse(text, nullptr, false);
  if (!result.is_object()) {
    throw EnvironmentError(fmt::format("{} gave no measurements; 'bitsweep doctor' tells why",
                                       worker_program().string()));
  }
  if (options.json) {
    fmt::print("{}\n", result.dump(2));
    return ExitCode::kOk;
  }
  fmt::print("{:<44} {:>9} {:>9} {:>7}\n", "what", "ours", "peer", "ratio");
  for (const auto& row : result.at("rows")) {
    fmt::print("{:<44} {:>9} {:>9} {:>7}\n", row.value("name", std::string()),
               cell(row, "ours", "{:.3g}"), cell(row, "peer_value", "{:.3g}"),
               cell(row, "ratio", "{:.2f}"));
    fmt::print("    {}\n", row.value("note", std::string()));
  }
  return ExitCode::kOk;
}

}  // namespace

void register_bench(Registry<Command>& registry) {
  registry.add(
      {"bench", "Measure kernels and evaluations against their peers in one run",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("what", options->which, "kernels, ptq, shared, integer, train (default: all)")
             ->check(CLI::IsMember({"kernels", "ptq", "shared", "integer", "train", "all"}));
         app.add_option("--threads", options->threads, "Threads of each measurement")
             ->check(CLI::Range(1, 1024))
             ->capture_default_str();
         app.add_flag("--json", options->json, "JSON");
         app.footer(
             "Ratios are medians of paired runs; absolute times depend on the "
             "machine.\nExamples:\n  bitsweep bench\n  bitsweep bench train --threads 1 --json");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
