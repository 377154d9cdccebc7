// `bitsweep run`: runs what is not done.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/devices.h"
#include "cli/plan_options.h"
#include "cli/records.h"
#include "cli/version.h"
#include "core/log.h"
#include "core/text.h"
#include "run/provenance.h"
#include "run/supervisor.h"

namespace bitsweep::cli {
namespace {

struct Options : PlanOptions {
  bool dry_run = false;
  int jobs = 0;  // 0: one a core or GPU
  std::string device = "auto";
  int threads = 1;
  int retries = -1;  // as the sweep says
  std::string timeout;
  bool fail_fast = false;
};

struct Tally {
  int ok = 0;
  int failed = 0;
  int skipped = 0;
  int cached = 0;
};

void print_tally(const Tally& tally, double seconds, const std::string& database) {
  fmt::print(stderr, "ok={} failed={} skipped={} cached={} wall={} db={}\n", tally.ok, tally.failed,
             tally.skipped, tally.cached, format_duration(seconds), database);
}

// Faults that would stop every trial are told before the first one, and nothing is written.
void require_ready(const sweep::Plan& plan, const std::vector<run::Decision>& decisions) {
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    if (decisions[i].action != run::Action::blocked) continue;
    if (plan.trials[i].needs.empty()) {
      throw DataError(fmt::format("{}: {}", plan.trials[i].name, decisions[i].reason));
    }
    const sweep::Need& need = plan.needs.at(plan.trials[i].needs.at(0));
    throw DataError(fmt::format("{}: needs {}: {}", plan.trials[i].name, need.what, need.detail));
  }
  if (::access(worker_program().c_str(), X_OK) != 0) {
    throw EnvironmentError(
        fmt::format("{}: the worker program is not there; build it, or set "
                    "BITSWEEP_WORKER",
                    worker_program().string()));
  }
}

run::Task make_task(const sweep::PlannedTrial& trial, const run::Decision& decision,
                    const Options& options) {
  run::Task task;
  task.key = trial.identity.key;
  task.name = trial.name;
  task.settings = trial.settings.to_json();
  task.paths = trial.paths;
  task.successes_seen = decision.successes_seen;
  task.waits_for = trial.waits_for;
  task.waits_for_name = decision.waits_for_name;
  task.resume = !options.force;
  const auto* timeout = trial.settings.get("budget.trial_timeout").as<std::string>();
  if (!options.timeout.empty()) {
    task.timeout_s = parse_duration_s(options.timeout, "--timeout");
  } else if (timeout != nullptr) {
    task.timeout_s = parse_duration_s(*timeout, "budget.trial_timeout");
  }
  const auto* retries = trial.settings.get("budget.retries").as<std::int64_t>();
  task.retries = retries != nullptr ? static_cast<int>(*retries) : 1;
  if (options.retries >= 0) task.retries = options.retries;
  return task;
}

std::string command_line(const Options& options) {
  std::string out = "bitsweep run " + options.file;
  for (const std::string& change : options.assignments) out += " " + change;
  for (const std::string& key : options.without) out += " --without " + key;
  return out;
}

ExitCode execute(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  if (!options.timeout.empty()) parse_duration_s(options.timeout, "--timeout");
  const std::vector<run::Slot> slots = choose_slots(options.device, options.jobs, options.threads);
  sweep::LoadedPlan loaded;
  std::vector<run::Decision> decisions;
  {
    const auto before = store::Store::open_if_exists(options.database);
    loaded = load(options, before ? &*before : nullptr);
    decisions = run::decide(loaded.plan, before ? &*before : nullptr, decide_options(options));
  }
  print_lints(loaded.plan);
  if (options.dry_run) {
    estimate(loaded.plan, decisions);
    print_plan(loaded, decisions, {});
    return ExitCode::kOk;
  }
  require_ready(loaded.plan, decisions);

  auto store = store::Store::open(options.database, store::Access::write);
  for (const std::string& attempt : store.reconcile().resolved) {
    spdlog::info("attempt {} ended with its run; recorded from its folder", attempt.substr(0, 16));
  }
  const PlanRecords records = records_of(loaded);
  store.put_sweep(records.sweep, records.trials);
  decisions = run::decide(loaded.plan, &store, decide_options(options));

  Tally tally;
  tally.skipped = static_cast<int>(loaded.plan.skipped.size());
  std::vector<run::Task> tasks;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    switch (decisions[i].action) {
      case run::Action::run:
      case run::Action::running:
        tasks.push_back(make_task(loaded.plan.trials[i], decisions[i], options));
        break;
      case run::Action::done:
        ++tally.cached;
        break;
      case run::Action::failed:
        ++tally.failed;
        fmt::print(stderr, "{}: {}\n", loaded.plan.trials[i].name, decisions[i].reason);
        break;
      case run::Action::blocked:
        BITSWEEP_CHECK(false, "a blocked trial was let through");
        break;
    }
  }
  run::RunSummary summary;
  if (!tasks.empty()) {
    run::Progress progress;
    run::SupervisorOptions supervisor;
    supervisor.worker_program = worker_program();
    supervisor.command = command_line(options);
    supervisor.environment = run::capture_environment(version(), {supervisor.command});
    supervisor.slots = slots;
    if (supervisor.slots.size() > tasks.size()) supervisor.slots.resize(tasks.size());
    supervisor.fail_fast = options.fail_fast;
    progress.line(fmt::format("{}: {} to run, {} done, on {} {}", loaded.plan.name, tasks.size(),
                              tally.cached, supervisor.slots.size(),
                              supervisor.slots.size() == 1 ? "worker" : "workers"));
    summary = run::supervise(tasks, supervisor, store, progress);
  }
  tally.ok += summary.ok;
  tally.failed += summary.failed;
  tally.skipped += summary.skipped;
  tally.cached += summary.cached;
  print_tally(tally, seconds(), options.database);
  if (summary.signal == SIGINT) return ExitCode::kInterrupted;
  if (summary.signal == SIGTERM) {
    return summary.resumable > 0 ? ExitCode::kPreempted : ExitCode::kTerminated;
  }
  return tally.failed > 0 ? ExitCode::kTrialFailed : ExitCode::kOk;
}

}  // namespace

void register_run(Registry<Command>& registry) {
  registry.add(
      {"run", "Run what is not done", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         add_plan_options(app, *options);
         app.add_flag("-n,--dry-run", options->dry_run, "Plan only");
         app.add_option("-j,--jobs", options->jobs,
                        "Trials at a time (default: one a core, or one a GPU)")
             ->check(CLI::Range(1, 1024));
         app.add_option("--device", options->device, "auto, cpu, cuda or cuda:N")
             ->capture_default_str();
         app.add_option("--threads", options->threads,
                        "Threads of each trial; part of its numeric fingerprint")
             ->check(CLI::Range(1, 1024))
             ->capture_default_str();
         app.add_option("--retries", options->retries,
                        "Further attempts after a crash (default: budget.retries)")
             ->check(CLI::Range(0, 100));
         app.add_option("--timeout", options->timeout,
                        "Longest time of a trial, \"90s\", \"2h\" (default: "
                        "budget.trial_timeout)");
         app.add_flag("--fail-fast", options->fail_fast,
                      "Start nothing more after the first failure");
         app.footer(
             "The last line on stderr is ok=… failed=… skipped=… cached=… wall=… db=…\n"
             "Ctrl-C and SIGTERM let each training write a checkpoint first (within 30 s);"
             "\nthe next run goes on from it, unless --force starts over. Exit codes: 130 "
             "after\nSIGINT; after SIGTERM 75 where a trial can go on from its checkpoint "
             "(\"run me\nagain\"), else 143. Where a stage fails, the trials that need its "
             "weights are\nskipped.\n"
             "Examples:\n  bitsweep run sweeps/quickstart.toml\n"
             "  bitsweep run sweeps/quickstart.toml quant.activation.bits=3..8 -j 2");
         return std::function<ExitCode()>([options] { return execute(*options); });
       }});
}

}  // namespace bitsweep::cli
