// `bitsweep status`: how far the sweeps of a database are, from any other terminal.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/table.h"
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
  std::vector<std::string> now;  // run::describe_progress
  double fraction = 0;
  double whole_s = -1;  // what it would take from the start, by its own pace; negative: unknown
};

struct SweepStatus {
  std::string name;
  std::map<std::string, int> by_status;
  std::map<std::string, int> failures;  // class → count
  std::vector<RunningTrial> running;
  double remaining_s = -1;  // honest: negative where nothing tells
  int total() const {
    int out = 0;
    for (const auto& [status, count] : by_status) out += count;
    return out;
  }
};

struct ProgressEvents {
  nlohmann::json first;  // null where there is none
  nlohmann::json last;
};

// The first and the last progress event of an attempt, from the ends of its events.jsonl.
ProgressEvents progress_events(const std::filesystem::path& folder) {
  std::ifstream file(folder / "events.jsonl", std::ios::binary | std::ios::ate);
  ProgressEvents out;
  if (!file) return out;
  const auto next = [&]() -> nlohmann::json {
    for (std::string line; std::getline(file, line);) {
      auto event = nlohmann::json::parse(line, nullptr, false);
      if (event.is_object() && event.value("event", "") == "progress") return event;
    }
    return nullptr;
  };
  constexpr std::streamoff kTail = 65536;
  const std::streamoff size = file.tellg();
  file.seekg(0);
  out.first = next();
  file.clear();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  for (auto event = next(); !event.is_null(); event = next()) out.last = std::move(event);
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
  const auto [first, last] = progress_events(folder);
  if (last.is_object()) {
    out.fraction = run::fraction_of(last);
    out.now = run::describe_progress(last);
  }
  if (last.is_object() && last.contains("fraction")) {
    // A training that was resumed did not do all of its share in this attempt.
    out.whole_s = run::estimate_remaining_s(out.fraction - run::fraction_of(first), 1, out.seconds);
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
  for (const RunningTrial& trial : out.running) {
    if (trial.whole_s < 0) continue;
    seconds += trial.whole_s;
    ++timed;
  }
  // Without a runner nothing gets done: no time is promised.
  if (timed == 0 || out.running.empty()) return out;
  const double mean_s = seconds / timed;
  double left = mean_s * (out.by_status["queued"] + out.by_status["preempted"]);
  for (const RunningTrial& trial : out.running) {
    left += (trial.whole_s >= 0 ? trial.whole_s : mean_s) * (1 - trial.fraction);
  }
  out.remaining_s = left / static_cast<double>(out.running.size());
  return out;
}

nlohmann::json to_json(const SweepStatus& status) {
  nlohmann::json running = nlohmann::json::array();
  for (const RunningTrial& trial : status.running) {
    running.push_back({{"key", trial.key},
                       {"name", trial.name},
                       {"seconds", trial.seconds},
                       {"fraction", trial.fraction},
                       {"phase", join(trial.now, "  ")}});
  }
  nlohmann::json out = {{"sweep", status.name},
                        {"trials", status.total()},
                        {"by_status", status.by_status},
                        {"failures", status.failures},
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
    const std::string head =
        fmt::format("  running: {}  {}  ", trial.name, format_duration(trial.seconds));
    const std::size_t width = output_width();
    out += head;
    out += width > 0 ? run::fit(trial.now, static_cast<int>(width) - static_cast<int>(head.size()))
                     : join(trial.now, "  ");
    out += "\n";
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
