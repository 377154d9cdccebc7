// `bitsweep repro`: runs exactly one known trial again, apart from the database, and says what
// differs.
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/devices.h"
#include "cli/differences.h"
#include "cli/known_task.h"
#include "cli/known_trial.h"
#include "cli/locations.h"
#include "cli/version.h"
#include "core/text.h"
#include "run/provenance.h"
#include "run/supervisor.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string id;
  std::string database = kDefaultDatabase;
  std::string device;                  // "": as before
  std::string weights;                 // "": found by digest
  std::optional<std::int64_t> epochs;  // of a training, the first so many; unset: the whole trial
  bool json = false;
};

// A database of its own in a temporary folder, so that a reproduction never counts as a result.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-repro-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw EnvironmentError(fmt::format("{}: cannot be made", pattern));
    }
    folder_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path database() const { return folder_ / "repro.db"; }

 private:
  fs::path folder_;
};

run::Task task_of(const KnownTrial& known, const Options& options) {
  run::Task task = known_task(known, options.database, options.weights);
  task.resume = false;
  task.stop_after_epochs = options.epochs;
  return task;
}

store::AttemptRecord run_again(const KnownTrial& known, const Options& options) {
  const run::Task task = task_of(known, options);
  const Scratch scratch;
  auto store = store::Store::open(scratch.database(), store::Access::write);
  store::TrialRecord trial = known.trial;
  if (trial.memberships.size() > 1) trial.memberships.resize(1);
  store::SweepRecord sweep;
  sweep.name = trial.memberships.empty() ? "repro" : trial.memberships[0].sweep;
  store.put_sweep(sweep, std::span(&trial, 1));

  run::SupervisorOptions supervisor;
  supervisor.worker_program = worker_program();
  supervisor.command = "bitsweep repro " + options.id;
  supervisor.environment = run::capture_environment(version(), {supervisor.command});
  const std::string device = options.device.empty() ? known.attempt.device : options.device;
  supervisor.slots = choose_slots(device, 1, known.attempt.fingerprint.value("threads", 1));
  run::Progress progress;
  const auto summary = run::supervise({task}, supervisor, store, progress);
  if (summary.ok != 1) {
    throw Error(fmt::format("the trial did not finish: {}",
                            summary.failures.empty() ? "stopped" : summary.failures.front()));
  }
  return store.attempts(trial.key).back();
}

void check_epochs(const KnownTrial& known, const Options& options) {
  if (!options.epochs) return;
  const auto recorded = static_cast<std::int64_t>(known.attempt.epochs.size());
  if (recorded == 0) {
    throw ConfigError(fmt::format("--epochs: {} is no training with recorded epochs",
                                  known.trial.key.substr(0, 12)));
  }
  if (*options.epochs > recorded) {
    throw ConfigError(fmt::format("--epochs {}: {} has {} epochs", *options.epochs,
                                  known.trial.key.substr(0, 12), recorded));
  }
}

nlohmann::json to_json(const std::vector<Difference>& differences) {
  nlohmann::json out = nlohmann::json::array();
  for (const Difference& d : differences) {
    out.push_back({{"what", d.what}, {"before", d.before}, {"after", d.after}});
  }
  return out;
}

void print(const std::string& title, const std::vector<Difference>& differences) {
  if (differences.empty()) return;
  fmt::print("{}\n", title);
  for (const Difference& d : differences) fmt::print("  {}: {} → {}\n", d.what, d.before, d.after);
}

// How an attempt at the same trial compares with the recorded one.
struct Comparison {
  std::vector<Difference> results;  // none where only some epochs were run
  std::vector<EpochDifferences> epochs;
  std::vector<Difference> fingerprint;
  std::size_t epochs_run = 0;
  std::size_t results_compared = 0;
  std::vector<std::string> new_results;  // that the record lacks
  bool is_identical() const { return results.empty() && epochs.empty(); }
};

Comparison compare(const store::AttemptRecord& before, const store::AttemptRecord& after,
                   bool whole) {
  Comparison out;
  if (whole) {
    out.results = compare_results(before, after);
    out.results_compared = results_of(before).size();
    out.new_results = new_results(before, after);
  }
  out.epochs = compare_epochs(before, after);
  out.epochs_run = after.epochs.size();
  out.fingerprint = compare_fingerprints(before, after);
  return out;
}

nlohmann::json to_json(const Comparison& comparison, const std::string& key) {
  nlohmann::json out = {{"schema_version", 1},
                        {"key", key},
                        {"identical", comparison.is_identical()},
                        {"same_fingerprint", comparison.fingerprint.empty()},
                        {"results", to_json(comparison.results)},
                        {"new_results", comparison.new_results},
                        {"fingerprint", to_json(comparison.fingerprint)}};
  if (comparison.epochs_run == 0) return out;
  out["epochs_compared"] = comparison.epochs_run;
  out["first_different_epoch"] =
      comparison.epochs.empty() ? nlohmann::json() : nlohmann::json(comparison.epochs[0].epoch);
  nlohmann::json& epochs = out["epochs"] = nlohmann::json::array();
  for (const EpochDifferences& epoch : comparison.epochs) {
    epochs.push_back({{"epoch", epoch.epoch}, {"differences", to_json(epoch.differences)}});
  }
  return out;
}

void print_text(const Comparison& comparison, const std::string& key) {
  if (comparison.is_identical()) {
    std::vector<std::string> what;
    if (comparison.epochs_run > 0) {
      what.push_back(fmt::format("state, losses and accuracies after each of {} {}",
                                 comparison.epochs_run,
                                 comparison.epochs_run == 1 ? "epoch" : "epochs"));
    }
    if (comparison.results_compared > 0) {
      what.push_back(fmt::format("{} results", comparison.results_compared));
    }
    fmt::print("{}: the same in {}{}\n", key.substr(0, 12), join(what, " and "),
               comparison.fingerprint.empty() ? ", on the same numeric fingerprint" : "");
  }
  if (!comparison.epochs.empty()) {
    const EpochDifferences& first = comparison.epochs.front();
    print(fmt::format("epoch {} of {} is the first that differs:", first.epoch,
                      comparison.epochs_run),
          first.differences);
  }
  print("results that differ:", comparison.results);
  if (!comparison.new_results.empty()) {
    fmt::print("not recorded then: {}\n", join(comparison.new_results, ", "));
  }
  print("circumstances that differ (numeric fingerprint):", comparison.fingerprint);
}

ExitCode run(const Options& options) {
  const KnownTrial known = find_known_trial(options.id, options.database);
  check_epochs(known, options);
  const store::AttemptRecord again = run_again(known, options);
  const Comparison comparison = compare(known.attempt, again, !options.epochs.has_value());
  if (options.json) {
    fmt::print("{}\n", to_json(comparison, known.trial.key).dump(2));
  } else {
    print_text(comparison, known.trial.key);
  }
  // On another machine or library the last bits may differ; that is told, and is no failure.
  return comparison.is_identical() || !comparison.fingerprint.empty() ? ExitCode::kOk
                                                                      : ExitCode::kTrialFailed;
}

}  // namespace

void register_repro(Registry<Command>& registry) {
  registry.add({"repro", "Run exactly one trial again and say what differs", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("id", options->id, "Key, name, or REPORT#CELL")->required();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_option("--device", options->device,
                                 "Device (default: the one it ran on)");
                  app.add_option("--weights", options->weights,
                                 "Weight file, where it is not found by its SHA-256");
                  app.add_option("--epochs", options->epochs,
                                 "Of a training, run the first so many epochs and compare those")
                      ->check(CLI::Range(1, 1'000'000));
                  app.add_flag("--json", options->json, "JSON");
                  app.footer(
                      "Writes nothing into the database, resumes nothing. Of a training, the "
                      "state, losses and\naccuracies after each epoch are compared, and the "
                      "first that differs is told.\nExits 1 where results differ on the same "
                      "numeric fingerprint.\nExamples:\n  bitsweep repro 3f9a12\n"
                      "  bitsweep repro reports/quickstart#c3\n"
                      "  bitsweep repro reports/resnet20#c1 --epochs 1");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
