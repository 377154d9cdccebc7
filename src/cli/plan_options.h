// What `plan` and `run` share: the file, what the command line changes in it, and the database.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/locations.h"
#include "run/decide.h"
#include "sweep/plan.h"

namespace CLI {
class App;
}

namespace bitsweep::cli {

struct PlanOptions {
  std::string file;
  std::vector<std::string> assignments;  // key=value
  std::vector<std::string> without;
  std::string database = kDefaultDatabase;
  bool force = false;
  bool rerun_failed = false;
  std::vector<std::string> rerun_triggers;  // "numerics"
};

void add_plan_options(CLI::App& app, PlanOptions& options);
run::DecideOptions decide_options(const PlanOptions& options);
// Reads, overrides, plans; `trial:ID` is looked up in `store` where there is one.
sweep::LoadedPlan load(const PlanOptions& options, const store::Store* store);

// Fills in what each trial will cost, from what it and its likes took before.
void estimate(sweep::Plan& plan, const std::vector<run::Decision>& decisions);

// "warning: …" on stderr for each lint.
void print_lints(const sweep::Plan& plan);

// What `plan` prints on stdout: one line a trial, skipped points, needs, and the sum.
void print_plan(const sweep::LoadedPlan& loaded, const std::vector<run::Decision>& decisions,
                const std::vector<std::string>& why);

}  // namespace bitsweep::cli
