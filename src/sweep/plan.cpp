#include "sweep/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/dataset.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "sweep/cost.h"
#include "sweep/fingerprint.h"
#include "sweep/locate.h"
#include "sweep/networks.h"
#include "sweep/overrides.h"
#include "sweep/plan_lints.h"

namespace bitsweep::sweep {
namespace {

std::vector<std::string> known_names(const std::string& family) {
  if (family == "model") return models::models().names();
  if (family == "data set") return data::datasets().names();
  if (family == "scheme") return quant::schemes().names();
  throw InternalError(fmt::format("no registry for the family '{}'", family));
}

// Keys that decide whether a configuration can be meant: trials that differ in the others alone are
// checked once.
const std::vector<config::KeyIndex>& checked_keys() {
  static const std::vector<config::KeyIndex> keys = keys_where([](std::string_view name) {
    return name != "seed" && !name.starts_with("eval.") && !name.starts_with("budget.");
  });
  return keys;
}

class Planner {
 public:
  Planner(const SweepFile& sweep, const PlanContext& context, Plan& plan)
      : sweep_(sweep), context_(context), plan_(plan) {}

  void run(Expansion expansion) {
    has_seeds_ = sweep_.seeds.size() > 1;
    plan_.trials.reserve(expansion.points.size());
    by_key_.reserve(expansion.points.size());
    for (Point& point : expansion.points) add(std::move(point), "");
    if (used_stages_.empty()) return;
    std::stable_partition(plan_.trials.begin(), plan_.trials.end(),
                          [](const PlannedTrial& trial) { return !trial.stage.empty(); });
  }

  const std::set<std::string>& used_stages() const { return used_stages_; }

 private:
  // The position of the trial that the point is: a new one, or an equal one that is there already.
  std::size_t add(Point point, const std::string& stage) {
    check_names(point.settings);
    PlannedTrial trial(std::move(point));
    trial.stage = stage;
    const auto* data_name = trial.settings.get("data.name").as<std::string>();
    const data::Dataset& dataset = data::datasets().get(*data_name);
    config::Digests digests = {{"data.name", digest_of(dataset)}};
    for (const char* key : kWeightKeys) find_weights(trial, key, digests);
    if (const auto* file = trial.settings.get("model.file").as<std::string>()) {
      find_file(trial, "model.file", *file, digests);
    }
    trial.identity = config::identify(trial.settings, digests);
    const auto [same, is_new] = by_key_.try_emplace(trial.identity.key, plan_.trials.size());
    if (!is_new) {
      plan_.trials[same->second].merged.push_back(std::move(trial.name));
      return same->second;
    }
    check_trial(trial, dataset);
    plan_.trials.push_back(std::move(trial));
    return same->second;
  }

  void check_names(const config::Settings& settings) {
    for (const config::RegistryName& name : config::registry_names(settings)) {
      if (!known_.insert({name.key, name.name}).second) continue;
      const std::vector<std::string> known = known_names(name.family);
      if (std::find(known.begin(), known.end(), name.name) != known.end()) continue;
      rethrow_at(settings.place_of(config::schema()[name.key].name),
                 unknown_name_message(name.family, name.name, known));
    }
    for (const char* key : {"model.name", "data.name"}) {
      if (settings.get(key).is_set()) continue;
      if (std::string_view(key) == "model.name" && settings.get("model.file").is_set()) continue;
      throw ConfigError(
          fmt::format("{}: {} is not set; every trial needs one", sweep_.path.string(), key));
    }
  }

  const std::string& digest_of(const data::Dataset& dataset) {
    std::string& digest = dataset_digests_[dataset.name];
    if (digest.empty()) digest = dataset_digest(dataset);
    return digest;
  }

  std::size_t need(const std::string& what, const std::string& detail) {
    const auto [it, is_new] = need_positions_.try_emplace(what, plan_.needs.size());
    if (is_new) plan_.needs.push_back({what, detail});
    return it->second;
  }

  void find_weights(PlannedTrial& trial, const char* key, config::Digests& digests) {
    const auto* weights = trial.settings.get(key).as<std::string>();
    const bool trains = *trial.settings.get("kind").as<std::string>() == "train";
    if (weights == nullptr || (std::string_view(key) == "train.distillation.weights" && !trains)) {
      return;
    }
    constexpr std::string_view kStage = "stage:";
    constexpr std::string_view kTrial = "trial:";
    if (weights->starts_with(kStage)) {
      const std::size_t position = stage_trial(weights->substr(kStage.size()), trial, key);
      const PlannedTrial& stage = plan_.trials[position];
      digests[key] = stage.identity.key;
      wait_for(trial, key, stage.identity.key);
    } else if (weights->starts_with(kTrial)) {
      const std::string id = weights->substr(kTrial.size());
      const auto of = context_.find_trial ? context_.find_trial(id) : std::nullopt;
      if (of) {
        digests[key] = *of;
        wait_for(trial, key, *of);
      } else {
        trial.needs.push_back(need(*weights, "the database has no such trial"));
      }
    } else {
      find_file(trial, key, *weights, digests);
    }
  }

  void find_file(PlannedTrial& trial, const std::string& key, const std::string& named,
                 config::Digests& digests) {
    const LocatedFile& file = locator_.weights(named, trial.settings.folder_of(key));
    if (file.path.empty()) {
      trial.needs.push_back(need(named, "looked in " + file.looked_in));
    } else {
      digests[key] = file.sha256;
      trial.paths[key] = file.path.string();
    }
  }

  // Its `key` takes the weights of the trial `of`, once that is done.
  static void wait_for(PlannedTrial& trial, const char* key, const std::string& of) {
    if (!trial.waits_for.empty() && trial.waits_for != of) {
      rethrow_at(trial.settings.place_of(key),
                 fmt::format("{} and {} take the weights of two trials; expected the same one, or "
                             "a file",
                             trial.takes_weights.front(), key));
    }
    trial.waits_for = of;
    trial.takes_weights.emplace_back(key);
  }

  // The trial of stage `name` with the seed of `user`.
  std::size_t stage_trial(const std::string& name, const PlannedTrial& user, const char* key) {
    const auto stage = std::find_if(sweep_.stages.begin(), sweep_.stages.end(),
                                    [&](const Stage& s) { return s.name == name; });
    const config::Place place = user.settings.place_of(key);
    if (stage == sweep_.stages.end()) {
      std::vector<std::string> known;
      for (const Stage& s : sweep_.stages) known.push_back(s.name);
      rethrow_at(place, unknown_name_message("stage", name, known));
    }
    const auto [it, is_new] = stage_trials_.try_emplace({name, user.seed}, kInProgress);
    if (!is_new) {
      if (it->second == kInProgress)
        rethrow_at(place, fmt::format("stage '{}' needs itself", name));
      return it->second;
    }
    used_stages_.insert(name);
    Point point;
    point.group = fmt::format("{}/stage:{}", sweep_.name, name);
    point.seed = user.seed;
    point.name = has_seeds_ ? fmt::format("{},seed={}", point.group, user.seed) : point.group;
    point.axis_values.resize(plan_.columns.size());
    point.settings = stage->settings;
    point.settings.set("seed", user.seed, "[seeds]");
    const std::size_t position = add(std::move(point), name);
    stage_trials_[{name, user.seed}] = position;
    return position;
  }

  void check_trial(PlannedTrial& trial, const data::Dataset& dataset) {
    const auto file = trial.paths.find("model.file");
    const auto [it, is_new] =
        checked_.try_emplace(fingerprint(trial.settings, checked_keys()) +
                             (file == trial.paths.end() ? "" : " " + file->second));
    if (is_new) it->second = check_settings(trial, dataset);
    trial.macs = it->second.macs;
    trial.images = it->second.images;
    trial.passes = it->second.passes;
    trial.needs.insert(trial.needs.end(), it->second.needs.begin(), it->second.needs.end());
  }

  // What trials of equal settings have in common.
  struct Checked {
    std::int64_t macs = 0;
    std::int64_t images = 0;
    std::int64_t passes = 0;
    std::vector<std::size_t> needs;
  };

  Checked check_settings(const PlannedTrial& planned, const data::Dataset& dataset) {
    const config::Settings& settings = planned.settings;
    const config::TrialConfig trial = trial_config(planned);
    check_image_counts(settings, trial, dataset);
    const ImagesRead read = images_read(dataset, trial);
    // A network in a file that is not here is one of the needs already.
    const bool unknown = !trial.model.file.empty() && !planned.paths.contains("model.file");
    Checked out{unknown ? 0 : networks_.check(settings, trial, dataset).macs,
                read.train + read.test,
                image_passes(trial, read),
                {}};
    if (trial.kind == config::TrialKind::ptq && trial.model.weights.empty() &&
        trial.model.file.empty()) {
      out.needs.push_back(need("model.weights",
                               "it is not set, and post-training quantization starts from trained "
                               "weights"));
    }
    if (const std::string& missing = locator_.missing_data(dataset, trial); !missing.empty()) {
      out.needs.push_back(need(fmt::format("data set {}", dataset.name), missing));
    }
    return out;
  }

  static void check_image_counts(const config::Settings& settings, const config::TrialConfig& trial,
                                 const data::Dataset& dataset) {
    const auto check = [&](const char* key, std::int64_t asked, std::int64_t there) {
      if (asked <= there) return;
      throw ConfigError(
          fmt::format("{}: {} = {} is more than data set '{}' has; expected at most {}",
                      settings.place_of(key), key, asked, dataset.name, there));
    };
    check("data.train_images", trial.data.train_images.value_or(0), dataset.train.images());
    check("data.test_images", trial.data.test_images.value_or(0), dataset.test.images());
    if (trial.kind == config::TrialKind::train ||
        trial.eval.split == config::EvalSplit::validation) {
      const std::int64_t there = trial.data.train_images.value_or(dataset.train.images());
      if (trial.data.validation_images.value_or(0) >= there) {
        throw ConfigError(
            fmt::format("{}: data.validation_images = {} leaves none of {} training images; "
                        "expected at most {}",
                        settings.place_of("data.validation_images"), *trial.data.validation_images,
                        there, there - 1));
      }
    }
    if (!config::calibrates(trial)) return;
    const config::CalibrationConfig& calibration = trial.quant.calibration;
    const bool on_train = calibration.source == "train";
    check("quant.calibration.images", calibration.images,
          (on_train ? dataset.train : dataset.test).images());
  }

  static constexpr std::size_t kInProgress = static_cast<std::size_t>(-1);

  const SweepFile& sweep_;
  const PlanContext& context_;
  Plan& plan_;
  Locator locator_;
  Networks networks_;
  bool has_seeds_ = false;
  std::set<std::pair<config::KeyIndex, std::string>> known_;  // registry names found good
  std::map<std::string, std::string> dataset_digests_;
  std::unordered_map<std::string, Checked> checked_;  // by fingerprint
  std::unordered_map<std::string, std::size_t> by_key_;
  std::map<std::string, std::size_t> need_positions_;
  std::map<std::pair<std::string, std::int64_t>, std::size_t> stage_trials_;
  std::set<std::string> used_stages_;
};

}  // namespace

config::TrialConfig trial_config(const PlannedTrial& trial) {
  config::TrialConfig out = config::to_trial(trial.settings);
  const auto file = trial.paths.find("model.file");
  if (file != trial.paths.end()) out.model.file = file->second;
  return out;
}

Plan make_plan(const SweepFile& sweep, const SweepFile& written, const PlanContext& context) {
  Plan plan;
  plan.name = sweep.name;
  plan.sweep_sha256 = sha256_hex(sweep.text);
  Expansion expansion = expand(sweep);
  plan.columns = expansion.columns;
  plan.lints = expansion.lints;
  check_claims(sweep, written, expansion, plan.lints);
  lint_tables(sweep, expansion, plan.lints);
  plan.skipped = std::move(expansion.skipped);

  Planner planner(sweep, context, plan);
  planner.run(std::move(expansion));
  for (const Stage& stage : sweep.stages) {
    if (planner.used_stages().contains(stage.name)) continue;
    plan.lints.push_back(
        {"stage_never_used",
         fmt::format("{}: no trial takes its weights from stage '{}'", stage.place, stage.name)});
  }
  lint_trials(sweep, plan.trials, plan.lints);
  return plan;
}

LoadedPlan load_plan(const std::filesystem::path& path, std::span<const std::string> assignments,
                     std::span<const std::string> without, const PlanContext& context) {
  const SweepFile written = load_sweep(path);
  LoadedPlan out{written, {}};
  apply_overrides(out.sweep, assignments, without);
  out.plan = make_plan(out.sweep, written, context);
  return out;
}

nlohmann::json plan_to_json(const Plan& plan) {
  using nlohmann::json;
  const auto axes = [&](const std::vector<config::Value>& values) {
    json out = json::object();
    for (std::size_t c = 0; c < plan.columns.size(); ++c) {
      out[plan.columns[c].label] = config::to_json(values[c]);
    }
    return out;
  };
  json rows = json::array();
  for (const PlannedTrial& trial : plan.trials) {
    json row = trial.settings.to_json();
    row.update(axes(trial.axis_values));
    row["key"] = trial.identity.key;
    row["name"] = trial.name;
    row["group"] = trial.group;
    row["stage"] = trial.stage.empty() ? json() : json(trial.stage);
    row["waits_for"] = trial.waits_for.empty() ? json() : json(trial.waits_for);
    row["unused"] = trial.identity.unused_keys;
    row["merged"] = trial.merged;
    row["images"] = trial.images;
    row["macs"] = trial.macs;
    row["cost_seconds"] = trial.cost ? json(trial.cost->seconds) : json();
    row["cost_measured"] = trial.cost ? json(trial.cost->is_measured) : json();
    json& needs = row["needs"] = json::array();
    for (const std::size_t need : trial.needs) needs.push_back(plan.needs[need].what);
    rows.push_back(std::move(row));
  }
  json skipped = json::array();
  for (const SkippedPoint& point : plan.skipped) {
    json row = axes(point.axis_values);
    row["name"] = point.name;
    row["seed"] = point.seed;
    row["reason"] = point.reason;
    row["place"] = point.place;
    skipped.push_back(std::move(row));
  }
  json needs = json::array();
  for (const Need& need : plan.needs) {
    needs.push_back({{"what", need.what}, {"detail", need.detail}});
  }
  json lints = json::array();
  for (const Lint& lint : plan.lints) {
    lints.push_back({{"rule", lint.rule}, {"message", lint.message}});
  }
  return {{"schema_version", 1}, {"sweep", plan.name}, {"sweep_sha256", plan.sweep_sha256},
          {"rows", rows},        {"skipped", skipped}, {"needs", needs},
          {"lints", lints}};
}

}  // namespace bitsweep::sweep
