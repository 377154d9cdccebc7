// What `run` and the analyses share: their options, and running what is not done of a plan.
#pragma once

#include <string>
#include <vector>

#include "cli/plan_options.h"
#include "core/error.h"
#include "run/decide.h"
#include "run/supervisor.h"
#include "store/store.h"
#include "sweep/plan.h"

namespace bitsweep::cli {

struct RunOptions : PlanOptions {
  int jobs = 0;  // 0: one a core or GPU
  std::string device = "auto";
  int threads = 1;
  int retries = -1;  // as the sweep says
  std::string timeout;
  bool fail_fast = false;
  bool share = true;
  std::string cache_memory = "2GiB";
  std::string command = "bitsweep run";  // before the file, for the record
};

void add_run_options(CLI::App& app, RunOptions& options);

// Throws ConfigError or EnvironmentError for slots, times and sizes that cannot be had.
std::vector<run::Slot> slots_of(const RunOptions& options);

// What a person typed: "bitsweep run sweeps/x.toml quant.weight.bits=4".
std::string command_line(const RunOptions& options);

// Throws DataError or EnvironmentError where something would stop every trial, before the first
// one, with nothing written.
void require_ready(const sweep::Plan& plan, const std::vector<run::Decision>& decisions);

struct RunTally {
  int ok = 0;
  int failed = 0;
  int skipped = 0;
  int cached = 0;
  int resumable = 0;  // preempted with a checkpoint to go on from
  int signal = 0;     // SIGINT or SIGTERM that ended the run, or 0
  run::SharedSummary shared;

  ExitCode exit_code() const;
};

// Puts the plan's sweep into `store` and runs its trials as `options` ask. `slots` from slots_of().
RunTally run_plan(const sweep::LoadedPlan& loaded, const RunOptions& options,
                  const std::vector<run::Slot>& slots, store::Store& store);

}  // namespace bitsweep::cli
