#include "cli/plan_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "core/log.h"
#include "core/text.h"
#include "sweep/cost.h"

namespace bitsweep::cli {

void add_plan_options(CLI::App& app, PlanOptions& options) {
  app.add_option("file", options.file, "Sweep, or a recipe as a sweep of one")->required();
  app.add_option("changes", options.assignments,
                 "key=value, key=2,3,4 (an axis), key=[2,3] (a list), key=4..8 or 4..8:2");
  app.add_option("--without", options.without, "Remove an axis or a key")->type_name("KEY");
  app.add_option("--db", options.database, "Database")->capture_default_str();
  app.add_flag("--force", options.force, "Run again what is done");
  app.add_flag("--rerun-failed", options.rerun_failed, "Run again what failed for good");
  app.add_option("--rerun-triggers", options.rerun_triggers,
                 "Run again what is done where this has changed: numerics")
      ->delimiter(',')
      ->check(CLI::IsMember({"numerics"}));
}

run::DecideOptions decide_options(const PlanOptions& options) {
  run::DecideOptions out;
  out.force = options.force;
  out.rerun_failed = options.rerun_failed;
  out.rerun_numerics = !options.rerun_triggers.empty();
  return out;
}

sweep::LoadedPlan load(const PlanOptions& options, const store::Store* store) {
  sweep::PlanContext context;
  if (store != nullptr) {
    context.find_trial = [store](std::string_view id) -> std::optional<std::string> {
      return store->find_trial(id);
    };
  }
  return sweep::load_plan(options.file, options.assignments, options.without, context);
}

void estimate(sweep::Plan& plan, const std::vector<run::Decision>& decisions) {
  std::vector<std::optional<double>> past;
  past.reserve(decisions.size());
  for (const run::Decision& decision : decisions) past.push_back(decision.past_seconds);
  sweep::estimate_costs(plan, past);
}

void print_lints(const sweep::Plan& plan) {
  for (const sweep::Lint& lint : plan.lints) spdlog::warn("{} [{}]", lint.message, lint.rule);
}

void print_plan(const sweep::LoadedPlan& loaded, const std::vector<run::Decision>& decisions,
                const std::vector<std::string>& why) {
  const sweep::Plan& plan = loaded.plan;
  const std::string prefix = plan.name + "/";
  const auto short_name = [&](const std::string& name) {
    return name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
  };
  std::string out = fmt::format("{}: {} trials\n", plan.name, plan.trials.size());
  std::size_t width = 0;
  constexpr std::size_t kWidest = 48;
  for (const auto& trial : plan.trials) width = std::max(width, short_name(trial.name).size());
  width = std::min(width, kWidest);
  int counts[5] = {};
  double seconds = 0;
  bool all_estimated = true;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    const run::Decision& decision = decisions[i];
    ++counts[static_cast<int>(decision.action)];
    out += fmt::format("  {:<7} {:<{}}  {}\n", run::to_string(decision.action),
                       short_name(plan.trials[i].name), width, decision.reason);
    if (i < why.size() && !why[i].empty()) out += fmt::format("          {}\n", why[i]);
    if (decision.action != run::Action::run) continue;
    all_estimated = all_estimated && plan.trials[i].cost.has_value();
    if (plan.trials[i].cost) seconds += plan.trials[i].cost->seconds;
  }
  for (const sweep::SkippedPoint& point : plan.skipped) {
    out += fmt::format("  skipped {:<{}}  {} ({})\n", short_name(point.name), width, point.reason,
                       point.place);
  }
  for (const sweep::Need& need : plan.needs) {
    out += fmt::format("needs {}: {}\n", need.what, need.detail);
  }
  out += fmt::format("{} to run, {} done", counts[static_cast<int>(run::Action::run)],
                     counts[static_cast<int>(run::Action::done)]);
  for (const auto action : {run::Action::failed, run::Action::running, run::Action::blocked}) {
    const int count = counts[static_cast<int>(action)];
    if (count > 0) out += fmt::format(", {} {}", count, run::to_string(action));
  }
  if (!plan.skipped.empty()) out += fmt::format(", {} skipped", plan.skipped.size());
  if (counts[0] > 0 && all_estimated && seconds > 0) {
    out += fmt::format("; about {} of one core", format_duration(seconds));
  }
  std::fputs((out + "\n").c_str(), stdout);
}

}  // namespace bitsweep::cli
