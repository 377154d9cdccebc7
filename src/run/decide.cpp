#include "run/decide.h"

#include <algorithm>
#include <span>

#include "core/text.h"
#include "quant/scheme.h"

namespace bitsweep::run {
namespace {

// Failures that another attempt may not repeat: the machine's, not the configuration's.
bool is_transient(const std::string& failure_class) {
  return failure_class.rfind("crash", 0) == 0 || failure_class == "oom_host" ||
         failure_class == "oom_cuda" || failure_class == "data" || failure_class == "preempted";
}

Decision decide_one(const sweep::PlannedTrial& trial, const store::TrialState& state,
                    const DecideOptions& options) {
  Decision out;
  out.successes_seen = state.successes;
  if (state.status == store::Status::ok) out.past_seconds = state.seconds;
  if (state.status == store::Status::ok) {
    const auto current = numerics_version(trial.settings);
    const bool newer = state.numerics_version != current && !state.numerics_version.is_null();
    if (options.force) {
      out.reason = "done; again because of --force";
    } else if (options.rerun_numerics && newer) {
      out.reason = fmt::format("done with numerics {}, now {}", state.numerics_version.dump(),
                               current.dump());
    } else {
      out.action = Action::done;
      out.reason = state.seconds ? "done in " + format_duration(*state.seconds) : "done";
      if (newer) {
        out.reason += fmt::format(" with numerics {}, now {}: --rerun-triggers numerics",
                                  state.numerics_version.dump(), current.dump());
      }
      return out;
    }
  }
  if (!trial.needs.empty()) {
    out.action = Action::blocked;
    out.reason = "needs files that are not there";
    return out;
  }
  if (state.status == store::Status::ok) return out;
  if (state.status == store::Status::running) {
    out.action = Action::running;
    out.reason = "another run is at it";
  } else if (state.status == store::Status::failed) {
    out.reason = fmt::format("attempt {} failed: {}: {}", state.attempts, state.failure_class,
                             state.message);
    if (options.rerun_failed || options.force) {
      out.reason += "; again as asked";
    } else if (!is_transient(state.failure_class)) {
      out.action = Action::failed;
      out.reason += "; --rerun-failed runs it again";
    }
  } else if (state.status == store::Status::preempted) {
    out.reason = "stopped before it was done";
  } else {
    out.reason = "not run yet";
  }
  return out;
}

// A trial that starts from another's weights: runs after it, and not at all unless that one is in
// this plan or has succeeded before.
void add_predecessor(const sweep::Plan& plan, const store::Store* store, std::size_t trial,
                     std::vector<Decision>& decisions) {
  const std::string& key = plan.trials[trial].waits_for;
  Decision& decision = decisions[trial];
  const auto first =
      std::find_if(plan.trials.begin(), plan.trials.end(),
                   [&](const sweep::PlannedTrial& other) { return other.identity.key == key; });
  if (first != plan.trials.end()) {
    decision.waits_for_name = first->name;
    const Decision& before = decisions[static_cast<std::size_t>(first - plan.trials.begin())];
    if (decision.action != Action::run || before.action == Action::done) return;
    decision.reason += fmt::format("; after {}", first->name);
    if (before.action == Action::failed) decision.reason += ", which failed";
    return;
  }
  decision.waits_for_name = "trial " + key.substr(0, 12);
  const bool succeeded =
      store != nullptr && store->state_of(std::span(&key, 1)).front().successes > 0;
  if (decision.action != Action::run || succeeded) return;
  decision.action = Action::blocked;
  decision.reason =
      fmt::format("needs the weights of {}, which has not succeeded", decision.waits_for_name);
}

}  // namespace

std::string_view to_string(Action action) {
  switch (action) {
    case Action::run:
      return "run";
    case Action::done:
      return "done";
    case Action::failed:
      return "failed";
    case Action::running:
      return "running";
    case Action::blocked:
      return "blocked";
  }
  BITSWEEP_CHECK(false, "action {}", static_cast<int>(action));
}

std::vector<Decision> decide(const sweep::Plan& plan, const store::Store* store,
                             const DecideOptions& options) {
  std::vector<std::string> keys;
  keys.reserve(plan.trials.size());
  for (const auto& trial : plan.trials) keys.push_back(trial.identity.key);
  const auto states =
      store != nullptr ? store->state_of(keys) : std::vector<store::TrialState>(keys.size());
  std::vector<Decision> out;
  out.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    out.push_back(decide_one(plan.trials[i], states[i], options));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!plan.trials[i].waits_for.empty()) add_predecessor(plan, store, i, out);
  }
  return out;
}

nlohmann::json numerics_version(const config::Settings& settings) {
  const auto* scheme = settings.get("quant.scheme").as<std::string>();
  nlohmann::json out = nlohmann::json::object();
  if (scheme != nullptr) {
    out[*scheme] = quant::schemes().get(*scheme).numerics_version;
  }
  return out;
}

}  // namespace bitsweep::run
