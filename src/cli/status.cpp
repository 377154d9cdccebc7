// `bitsweep status`: how far the sweeps of a database are, from any other terminal.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

#include "cli/command.h"
#include "cli/locations.h"
#include "core/text.h"
#include "run/progress.h"
#include "store/folder.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string database = kDefaultDatabase;
  std::string sweep;
  bool watch = false;
  bool json = false;
  double interval_s = 1;
};

struct RunningTrial {
  std::string key;
  std::string name;
  double seconds = 0;
  std::string phase;
  double fraction = 0;
};

struct SweepStatus {
  std::string name;
  std::map<std::string, int> by_status;
  std::map<std::string, int> failures;  // class → count
  std::vector<RunningTrial> running;
  double mean_seconds = 0;  // of the trials that are done
  double remaining_s = -1;  // honest: negative where nothing tells
  int total() const {
    int out = 0;
    for (const auto& [status, count] : by_status) out += count;
    return out;
  }
};

// The last progress event of an attempt, from the end of its events.jsonl.
nlohmann::json last_progress(const std::filesystem::path& folder) {
  std::ifstream file(folder / "events.jsonl", std::ios::binary | std::ios::ate);
  if (!file) return {};
  constexpr std::streamoff kTail = 16384;
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  nlohmann::json out;
  for (std::string line; std::getline(file, line);) {
    auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.value("event", "") == "progress") out = std::move(event);
  }
  return out;
}

RunningTrial running_trial(const store::Store& store, const nlohmann::json& row) {
  RunningTrial out;
  out.key = row.at("key").get<std::string>();
  out.name = row.at("name").get<std::string>();
  const auto attempt = store.shown_attempt(out.key);
  if (!attempt) return out;
  out.seconds = static_cast<double>(store::now_ms() - attempt->started_ms) / 1000.0;
  const auto folder = store.runs_folder() / out.key / std::to_string(attempt->number);
  const auto event = last_progress(folder);
  if (event.is_object()) {
    const double total = event.value("total", 0.0);
    out.fraction = total > 0 ? event.value("done", 0.0) / total : 0;
    out.phase = fmt::format("{} {}/{} {}", event.value("phase", std::string()),
                            format_count(event.value("done", std::int64_t{0})),
                            format_count(event.value("total", std::int64_t{0})),
                            event.value("unit", std::string()));
  }
  return out;
}

SweepStatus sweep_status(const store::Store& store, const std::string& name) {
  SweepStatus out;
  out.name = name;
  store::RowFilter filter;
  filter.sweep = name;
  filter.columns = {"key", "name", "status", "failure_class", "seconds"};
  double seconds = 0;
  int timed = 0;
  for (const auto& row : store.trial_rows(filter)) {
    const std::string status = row.at("status").get<std::string>();
    ++out.by_status[status];
    if (status == "failed" && row.at("failure_class").is_string()) {
      ++out.failures[row.at("failure_class").get<std::string>()];
    }
    if (status == "ok" && row.at("seconds").is_number()) {
      seconds += row.at("seconds").get<double>();
      ++timed;
    }
    if (status == "running") out.running.push_back(running_trial(store, row));
  }
  if (timed > 0) {
    out.mean_seconds = seconds / timed;
    double left = out.mean_seconds * (out.by_status["queued"] + out.by_status["preempted"]);
    for (const RunningTrial& trial : out.running) left += out.mean_seconds * (1 - trial.fraction);
    // Without a runner nothing gets done: no time is promised.
    if (!out.running.empty()) out.remaining_s = left / static_cast<double>(out.running.size());
  }
  return out;
}

nlohmann::json to_json(const SweepStatus& status) {
  nlohmann::json running = nlohmann::json::array();
  for (const RunningTrial& trial : status.running) {
    running.push_back({{"key", trial.key}, {"name", trial.name}, {"seconds", trial.seconds},
                       {"fraction", trial.fraction}, {"phase", trial.phase}});
  }
  nlohmann::json out = {{"sweep", status.name},         {"trials", status.total()},
                        {"by_status", status.by_status}, {"failures", status.failures},
                        {"running", running}};
  out["remaining_seconds"] =
      status.remaining_s < 0 ? nlohmann::json(nullptr) : nlohmann::json(status.remaining_s);
  return out;
}

std::string to_text(const SweepStatus& status) {
  std::string out = fmt::format("{}: {} trials", status.name, status.total());
  for (const auto& [word, count] : status.by_status) {
    if (count > 0) out += fmt::format("  {}={}", word, count);
  }
  if (status.remaining_s >= 0) out += fmt::format("  ETA {}", format_duration(status.remaining_s));
  out += "\n";
  for (const auto& [failure, count] : status.failures) {
    out += fmt::format("  failed: {} × {}\n", count, failure);
  }
  for (const RunningTrial& trial : status.running) {
    out += fmt::format("  running: {}  {}  {}\n", trial.name, format_duration(trial.seconds),
                       trial.phase);
  }
  return out;
}

std::vector<SweepStatus> all_statuses(const Options& options) {
  const auto store = store::Store::open(options.database, store::Access::read);
  std::vector<SweepStatus> out;
  const auto names = store.sweep_names();
  for (const std::string& name : names) {
    if (options.sweep.empty() || options.sweep == name) out.push_back(sweep_status(store, name));
  }
  if (out.empty() && !options.sweep.empty()) {
    throw ConfigError(unknown_name_message("sweep", options.sweep, names));
  }
  return out;
}

ExitCode run(const Options& options) {
  while (true) {
    const auto statuses = all_statuses(options);
    if (options.json) {
      nlohmann::json rows = nlohmann::json::array();
      for (const SweepStatus& status : statuses) rows.push_back(to_json(status));
      fmt::print("{}\n", nlohmann::json{{"schema_version", 1}, {"rows", rows}}.dump());
    } else {
      if (options.watch && ::isatty(STDOUT_FILENO) == 1) fmt::print("\x1b[H\x1b[2J");
      for (const SweepStatus& status : statuses) fmt::print("{}", to_text(status));
    }
    std::fflush(stdout);
    bool any_running = false;
    for (const SweepStatus& status : statuses) any_running = any_running || !status.running.empty();
    if (!options.watch || !any_running) return ExitCode::kOk;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
  }
}

}  // namespace

void register_status(Registry<Command>& registry) {
  registry.add({"status", "Show how far sweeps are: progress, time left, failures by class",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("sweep", options->sweep, "One sweep by name (default: all)");
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_flag("--watch", options->watch, "Repeat until nothing runs any more");
                  app.add_option("--interval", options->interval_s, "Seconds between repetitions")
                      ->check(CLI::Range(0.1, 3600.0))
                      ->capture_default_str();
                  app.add_flag("--json", options->json, "JSON");
                  app.footer("Examples:\n  bitsweep status\n  bitsweep status quickstart --watch");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
