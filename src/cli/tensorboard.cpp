// `bitsweep tensorboard`: the series of trials as event files.
#include "export/tensorboard.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/error.h"
#include "core/file.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string id;
  std::string database = kDefaultDatabase;
  std::string folder = "results/tensorboard";
};

// Trials of the sweep `id`, or the one that it names.
std::vector<std::string> keys_of(const store::Store& store, const std::string& id) {
  if (!store.sweep(id)) return {store.find_trial(id)};
  store::RowFilter filter;
  filter.sweep = id;
  filter.columns = {"key"};
  std::vector<std::string> out;
  for (const auto& row : store.trial_rows(filter)) out.push_back(row.at("key").get<std::string>());
  return out;
}

// A run's folder as TensorBoard shows it: a sweep's name with its axes, without what would nest.
std::string run_name(const store::TrialRecord& trial) {
  if (trial.memberships.empty()) return short_key(trial.key);
  std::string out = trial.memberships[0].name;
  const std::size_t nested = out.find('/');
  for (char& c : out) {
    if (&c != out.data() + nested && c == '/') c = '_';
  }
  return out;
}

std::vector<exporting::ScalarEvent> events_of(const store::AttemptRecord& attempt) {
  const double start = static_cast<double>(attempt.started_ms) / 1000;
  std::vector<exporting::ScalarEvent> out;
  for (const store::MetricPoint& point : attempt.series) {
    out.push_back(
        {point.name, point.value, point.step.value_or(0), start + point.wall_s.value_or(0)});
  }
  return out;
}

// One file an attempt: a resumed training goes on in the next. Returns how many were written.
std::size_t write_trial(const store::Store& store, const std::string& key, const fs::path& folder) {
  std::size_t files = 0;
  const fs::path run = folder / run_name(store.trial(key));
  for (const store::AttemptRecord& attempt : store.attempts(key)) {
    const std::vector<exporting::ScalarEvent> events = events_of(attempt);
    if (events.empty()) continue;
    const auto start = static_cast<double>(attempt.started_ms) / 1000;
    const fs::path file = run / fmt::format("events.out.tfevents.{:010}.bitsweep.{}",
                                            attempt.started_ms / 1000, attempt.number);
    write_file_atomic(file, exporting::event_file(start, events));
    fmt::print("{}\n", file.string());
    ++files;
  }
  return files;
}

ExitCode run(const Options& options) {
  const auto store = store::Store::open(options.database, store::Access::read);
  std::size_t files = 0;
  for (const std::string& key : keys_of(store, options.id)) {
    files += write_trial(store, key, options.folder);
  }
  if (files == 0) {
    throw ConfigError(
        fmt::format("{}: no attempt of it has a series in {}; expected a training that has run",
                    options.id, options.database));
  }
  return ExitCode::kOk;
}

}  // namespace

void register_tensorboard(Registry<Command>& registry) {
  registry.add({"tensorboard", "Write losses, rates and every α by step as TensorBoard event files",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("id", options->id,
                                 "A sweep's name, first digits of a trial's key, or its name")
                      ->required();
                  app.add_option("-o,--output", options->folder, "Folder; one below it a trial")
                      ->capture_default_str();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.footer(
                      "Examples:\n  bitsweep tensorboard 3fa9c2\n"
                      "  bitsweep tensorboard cifar10_own_weights -o events");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
