#include "cli/run_plan.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/devices.h"
#include "cli/records.h"
#include "cli/version.h"
#include "core/check.h"
#include "core/text.h"
#include "run/provenance.h"

namespace bitsweep::cli {
namespace {

run::Task make_task(const sweep::PlannedTrial& trial, const run::Decision& decision,
                    const RunOptions& options) {
  run::Task task;
  task.key = trial.identity.key;
  task.name = trial.name;
  task.settings = trial.settings.to_json();
  task.paths = trial.paths;
  task.successes_seen = decision.successes_seen;
  task.waits_for = trial.waits_for;
  if (!trial.waits_for.empty()) task.takes_weights = trial.takes_weights;
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
  task.evaluation = run::evaluation_of(task);
  return task;
}

// Runs `tasks`, of which the plan has `cached` done already.
run::RunSummary run_tasks(const std::string& plan_name, const std::vector<run::Task>& tasks,
                          int cached, const RunOptions& options,
                          const std::vector<run::Slot>& slots, store::Store& store) {
  run::Progress progress;
  run::SupervisorOptions supervisor;
  supervisor.worker_program = worker_program();
  supervisor.command = command_line(options);
  supervisor.environment = run::capture_environment(version(), {supervisor.command});
  supervisor.slots = slots;
  if (supervisor.slots.size() > tasks.size()) supervisor.slots.resize(tasks.size());
  supervisor.fail_fast = options.fail_fast;
  supervisor.share = options.share;
  supervisor.cache_bytes =
      static_cast<std::int64_t>(parse_bytes(options.cache_memory, "--cache-memory"));
  progress.line(fmt::format("{}: {} to run, {} done, on {} {}", plan_name, tasks.size(), cached,
                            supervisor.slots.size(),
                            supervisor.slots.size() == 1 ? "worker" : "workers"));
  return run::supervise(tasks, supervisor, store, progress);
}

}  // namespace

void add_run_options(CLI::App& app, RunOptions& options) {
  add_plan_options(app, options);
  app.add_option("-j,--jobs", options.jobs, "Trials at a time (default: one a core, or one a GPU)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Threads of each trial; part of its numeric fingerprint")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--retries", options.retries,
                 "Further attempts after a crash (default: budget.retries)")
      ->check(CLI::Range(0, 100));
  app.add_option("--timeout", options.timeout,
                 "Longest time of a trial, \"90s\", \"2h\" (default: "
                 "budget.trial_timeout)");
  app.add_flag("--fail-fast", options.fail_fast, "Start nothing more after the first failure");
  app.add_flag("!--no-share", options.share,
               "Evaluate every trial alone (default: post-training trials of one network, its "
               "images and batches share an evaluation; same results)");
  app.add_option("--cache-memory", options.cache_memory,
                 "What a shared evaluation may hold of outputs for later use; with less, some "
                 "are computed again")
      ->capture_default_str();
}

std::vector<run::Slot> slots_of(const RunOptions& options) {
  if (!options.timeout.empty()) parse_duration_s(options.timeout, "--timeout");
  parse_bytes(options.cache_memory, "--cache-memory");
  return choose_slots(options.device, options.jobs, options.threads);
}

std::string command_line(const RunOptions& options) {
  std::string out = options.command + " " + options.file;
  for (const std::string& change : options.assignments) out += " " + change;
  for (const std::string& key : options.without) out += " --without " + key;
  return out;
}

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

ExitCode RunTally::exit_code() const {
  if (signal == SIGINT) return ExitCode::kInterrupted;
  if (signal == SIGTERM) return resumable > 0 ? ExitCode::kPreempted : ExitCode::kTerminated;
  return failed > 0 ? ExitCode::kTrialFailed : ExitCode::kOk;
}

RunTally run_plan(const sweep::LoadedPlan& loaded, const RunOptions& options,
                  const std::vector<run::Slot>& slots, store::Store& store) {
  const PlanRecords records = records_of(loaded);
  store.put_sweep(records.sweep, records.trials);
  const auto decisions = run::decide(loaded.plan, &store, decide_options(options));

  RunTally tally;
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
  if (tasks.empty()) return tally;
  const run::RunSummary summary =
      run_tasks(loaded.plan.name, tasks, tally.cached, options, slots, store);
  tally.ok += summary.ok;
  tally.failed += summary.failed;
  tally.skipped += summary.skipped;
  tally.cached += summary.cached;
  tally.resumable = summary.resumable;
  tally.signal = summary.signal;
  tally.shared = summary.shared;
  return tally;
}

}  // namespace bitsweep::cli
