// `bitsweep repro`: runs exactly one known trial again, apart from the database, and says what differs.
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/devices.h"
#include "cli/locations.h"
#include "cli/version.h"
#include "config/identity.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/dataset.h"
#include "run/provenance.h"
#include "run/supervisor.h"
#include "store/store.h"
#include "sweep/locate.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string id;
  std::string database = kDefaultDatabase;
  std::string device;   // "": as before
  std::string weights;  // "": found by digest
  bool json = false;
};

// The trial as it was, and the successful attempt to compare with.
struct Known {
  store::TrialRecord trial;
  store::AttemptRecord attempt;
};

bool is_successful(const store::AttemptRecord& attempt) {
  return attempt.status == store::Status::ok;
}

Known choose(store::TrialRecord trial, const std::vector<store::AttemptRecord>& attempts) {
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it) {
    if (is_successful(*it)) return {std::move(trial), *it};
  }
  throw ConfigError(fmt::format("{}: has no successful attempt to compare with",
                                trial.memberships.empty() ? trial.key : trial.memberships[0].name));
}

// REPORT#CELL: a line of the report folder's trials.jsonl, by cell anchor or start of its key. Works
// where the database is gone.
Known from_report(const std::string& folder, const std::string& cell) {
  const fs::path file = fs::is_directory(folder) ? fs::path(folder) / "trials.jsonl"
                                                 : fs::path(folder).parent_path() / "trials.jsonl";
  std::ifstream lines(file);
  if (!lines) throw DataError(fmt::format("{}: cannot be read", file.string()));
  std::vector<std::string> keys;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    auto [trial, attempts] = store::trial_with_attempts_from_json(json);
    const bool is_cell = json.value("cell", std::string()) == cell;
    if (is_cell || (cell.size() >= 4 && trial.key.rfind(cell, 0) == 0)) {
      return choose(std::move(trial), attempts);
    }
    keys.push_back(trial.key.substr(0, 12));
  }
  throw ConfigError(
      fmt::format("{} has no cell or trial '{}'; its trials: {}", file.string(), cell, join(keys, ", ")));
}

Known find(const Options& options) {
  const auto hash = options.id.find('#');
  if (hash != std::string::npos) {
    return from_report(options.id.substr(0, hash), options.id.substr(hash + 1));
  }
  const auto store = store::Store::open(options.database, store::Access::read);
  const std::string key = store.find_trial(options.id);
  return choose(store.trial(key), store.attempts(key));
}

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

// The weight file of the trial on this machine, found by what it holds: as it was named, from here
// and from the folders of sweeps and recipes.
std::string find_weights(const std::string& named, const std::string& sha256) {
  std::vector<fs::path> folders = {"", "sweeps", "experiments"};
  std::error_code ignored;
  for (const char* base : {"sweeps", "experiments"}) {
    for (const auto& entry : fs::directory_iterator(base, ignored)) {
      if (entry.is_directory(ignored)) folders.push_back(entry.path());
    }
  }
  sweep::Locator locator;
  for (const std::string& name : {named, fs::path(named).filename().string()}) {
    for (const fs::path& folder : folders) {
      const auto& file = locator.weights(name, folder);
      if (file.sha256 == sha256) return file.path.string();
    }
  }
  throw DataError(fmt::format("{}: no file with SHA-256 {} is found from here; give it with --weights",
                              named, sha256));
}

// Settings and paths of the trial, with its identity checked: a bitsweep that understands the
// configuration otherwise must not run it under this key.
run::Task make_task(const Known& known, const Options& options) {
  const config::Settings settings = config::Settings::from_json(known.trial.config);
  const auto canonical = nlohmann::json::parse(known.trial.canonical);
  config::Digests digests;
  const auto* data_name = settings.get("data.name").as<std::string>();
  digests["data.name"] = sweep::dataset_digest(data::datasets().get(*data_name));
  run::Task task;
  task.key = known.trial.key;
  task.name = known.trial.memberships.empty() ? task.key : known.trial.memberships[0].name;
  task.settings = known.trial.config;
  task.paths = nlohmann::json::object();
  const auto weights = canonical.find("model.weights");
  if (weights != canonical.end() && weights->contains("sha256")) {
    const std::string sha256 = weights->at("sha256").get<std::string>();
    const std::string path = options.weights.empty()
                                 ? find_weights(*settings.get("model.weights").as<std::string>(), sha256)
                                 : fs::absolute(options.weights).string();
    digests["model.weights"] = sha256_file(path);
    task.paths["model.weights"] = path;
  }
  const config::Identity identity = config::identify(settings, digests);
  if (identity.key != known.trial.key) {
    throw ConfigError(fmt::format("{} is {} for this bitsweep, its data and weights; the canonical "
                                  "forms: {} and {}",
                                  known.trial.key.substr(0, 12), identity.key.substr(0, 12),
                                  known.trial.canonical, identity.canonical));
  }
  return task;
}

store::AttemptRecord run_again(const Known& known, const Options& options) {
  const run::Task task = make_task(known, options);
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

struct Difference {
  std::string what;
  std::string before;
  std::string after;
};

void compare_objects(const std::string& prefix, const nlohmann::json& before,
                     const nlohmann::json& after, std::vector<Difference>& out) {
  nlohmann::json keys = before;
  keys.update(after);
  for (const auto& [key, unused] : keys.items()) {
    const auto a = before.value(key, nlohmann::json());
    const auto b = after.value(key, nlohmann::json());
    if (a != b) out.push_back({prefix + key, a.dump(), b.dump()});
  }
}

// Metrics of time and memory differ from run to run by their nature.
nlohmann::json results_of(const store::AttemptRecord& attempt) {
  nlohmann::json out = attempt.finals;
  for (const char* name : {"seconds", "images_per_second", "peak_memory_bytes"}) out.erase(name);
  for (auto it = out.begin(); it != out.end();) {
    const std::string& key = it.key();
    const bool is_time = key.size() > 8 && key.compare(key.size() - 8, 8, "_seconds") == 0;
    it = is_time ? out.erase(it) : std::next(it);
  }
  for (const store::Bitmap& bitmap : attempt.bitmaps) {
    out["bitmap." + bitmap.evaluation] = bitmap.sha256;
  }
  return out;
}

// What can move the last bits of a result (docs/architecture.md, "A trial is a pure function").
nlohmann::json numeric_fingerprint(const store::AttemptRecord& attempt) {
  nlohmann::json out = attempt.fingerprint;
  for (const char* name : {"bitsweep_version", "command", "git_revision", "git_patch",
                           "git_patch_sha256", "cpu", "cores", "memory_bytes", "system"}) {
    out.erase(name);
  }
  return out;
}

void print(const char* title, const std::vector<Difference>& differences) {
  if (differences.empty()) return;
  fmt::print("{}\n", title);
  for (const Difference& d : differences) fmt::print("  {}: {} → {}\n", d.what, d.before, d.after);
}

nlohmann::json to_json(const std::vector<Difference>& differences) {
  nlohmann::json out = nlohmann::json::array();
  for (const Difference& d : differences) {
    out.push_back({{"what", d.what}, {"before", d.before}, {"after", d.after}});
  }
  return out;
}

ExitCode run(const Options& options) {
  const Known known = find(options);
  const store::AttemptRecord again = run_again(known, options);
  std::vector<Difference> results;
  std::vector<Difference> circumstances;
  compare_objects("", results_of(known.attempt), results_of(again), results);
  compare_objects("", numeric_fingerprint(known.attempt), numeric_fingerprint(again), circumstances);
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"schema_version", 1},
                                      {"key", known.trial.key},
                                      {"identical", results.empty()},
                                      {"same_fingerprint", circumstances.empty()},
                                      {"results", to_json(results)},
                                      {"fingerprint", to_json(circumstances)}}
                           .dump(2));
  } else {
    if (results.empty()) {
      fmt::print("{}: the same in {} results{}\n", known.trial.key.substr(0, 12),
                 results_of(again).size(),
                 circumstances.empty() ? ", on the same numeric fingerprint" : "");
    }
    print("results that differ:", results);
    print("circumstances that differ (numeric fingerprint):", circumstances);
  }
  // On another machine or library the last bits may differ; that is told, and is no failure.
  return results.empty() || !circumstances.empty() ? ExitCode::kOk : ExitCode::kTrialFailed;
}

}  // namespace

void register_repro(Registry<Command>& registry) {
  registry.add({"repro", "Run exactly one trial again and say what differs", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("id", options->id, "Key, name, or REPORT#CELL")->required();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_option("--device", options->device, "Device (default: the one it ran on)");
                  app.add_option("--weights", options->weights,
                                 "Weight file, where it is not found by its SHA-256");
                  app.add_flag("--json", options->json, "JSON");
                  app.footer("Writes nothing into the database. Exits 1 where results differ on the "
                             "same numeric\nfingerprint.\nExamples:\n  bitsweep repro 3f9a12\n"
                             "  bitsweep repro reports/quickstart#c3");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
