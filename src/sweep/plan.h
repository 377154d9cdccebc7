// A sweep's plan: the trials that it asks for, each with its identity and what it needs, and what
// its author should know. Reads files; runs and writes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/identity.h"
#include "config/trial.h"
#include "sweep/expand.h"
#include "sweep/lint.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// Something that a trial needs and this machine does not have: `plan` goes on, `run` exits 5.
struct Need {
  std::string what;    // "../weights/resnet20.safetensors", "data set cifar10"
  std::string detail;  // where it was looked for, how to get it
};

struct Cost {
  double seconds = 0;
  bool is_measured = false;  // by past attempts of this very trial; else an estimate
};

// The keys that name weights: a file, `stage:NAME` or `trial:KEY`.
inline constexpr const char* kWeightKeys[] = {"model.weights", "train.distillation.weights"};

struct PlannedTrial : Point {
  explicit PlannedTrial(Point point) : Point(std::move(point)) {}

  // The key is provisional while the trial needs a file that decides it.
  config::Identity identity;
  std::map<std::string, std::string> paths;  // configuration key → absolute path on this machine
  std::string stage;      // the [[stage]] that this trial is; "" an ordinary trial
  std::string waits_for;  // key of the trial (of a stage, or any) whose weights it takes; "" none
  std::vector<std::string> takes_weights;  // the keys that get them (kWeightKeys)
  std::vector<std::string> merged;         // names of equal points that this trial stands for, too
  std::vector<std::size_t> needs;          // positions in Plan::needs
  std::int64_t macs = 0;                   // of one image; 0 where unknown
  std::int64_t images = 0;                 // that it reads: training, calibration and test
  std::int64_t passes = 0;                 // of one image through the network (image_passes)
  std::optional<Cost> cost;
};

struct Plan {
  std::string name;
  std::string sweep_sha256;  // of the file's text
  std::vector<Column> columns;
  std::vector<PlannedTrial> trials;  // stages first, else in plan order; no two of one key
  std::vector<SkippedPoint> skipped;
  std::vector<Need> needs;
  std::vector<Lint> lints;
};

// What a plan asks of others.
struct PlanContext {
  // The full key of a trial that `model.weights = "trial:ID"` names, if there is one.
  std::function<std::optional<std::string>(std::string_view id)> find_trial;
};

// What the rooms that compute read of a trial; its network's file is the one that was found.
config::TrialConfig trial_config(const PlannedTrial& trial);

// `sweep` with the command line applied to it. Throws ConfigError for names that no registry knows,
// settings that a network cannot have, what this version cannot do, a claim that no trial of
// `written` (the sweep as its file says) matches.
Plan make_plan(const SweepFile& sweep, const SweepFile& written, const PlanContext& context = {});

// load_sweep, apply_overrides and make_plan in one.
struct LoadedPlan {
  SweepFile sweep;
  Plan plan;
};
LoadedPlan load_plan(const std::filesystem::path& path, std::span<const std::string> assignments,
                     std::span<const std::string> without, const PlanContext& context = {});

// The frozen plan: {"schema_version": 1, "sweep", "sweep_sha256", "rows": [a flat object a trial:
// key, name, seed, axes by label, configuration by dotted name, …], "skipped", "needs", "lints"}.
nlohmann::json plan_to_json(const Plan& plan);

}  // namespace bitsweep::sweep
