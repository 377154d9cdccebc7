#include "sweep/plan_lints.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "sweep/condition.h"

namespace bitsweep::sweep {
namespace {

bool matches_any(const Condition& condition, const Expansion& expansion) {
  const BoundCondition bound(condition, expansion.columns);
  return std::any_of(expansion.points.begin(), expansion.points.end(), [&](const Point& point) {
    return bound.holds(point.settings, point.axis_values, point.name);
  });
}

// Whether `key` was set to `word` and has an effect.
bool says(const PlannedTrial& trial, config::KeyIndex key, std::string_view word) {
  if (!trial.settings.is_explicit(key)) return false;
  const auto* value = trial.settings.get(key).as<std::string>();
  const auto& unused = trial.identity.unused_keys;
  return value != nullptr && *value == word &&
         std::find(unused.begin(), unused.end(), config::schema()[key].name) == unused.end();
}

bool is_of_product(const PlannedTrial& trial) {
  return std::any_of(trial.axis_values.begin(), trial.axis_values.end(),
                     [](const config::Value& value) { return value.is_set(); });
}

void lint_unused(const SweepFile& sweep, const std::vector<PlannedTrial>& trials,
                 std::vector<Lint>& lints) {
  struct Use {
    std::size_t without_effect = 0;
    std::size_t on_axis_without_effect = 0;
    config::Place place;
  };
  std::map<std::string, Use> uses;
  for (const PlannedTrial& trial : trials) {
    for (const std::string& key : trial.identity.unused_keys) {
      Use& use = uses[key];
      ++use.without_effect;
      if (is_of_product(trial)) ++use.on_axis_without_effect;
      if (!use.place.empty()) continue;
      use.place =
          key == "layer" ? trial.settings.layers.front().place : trial.settings.place_of(key);
    }
  }
  for (const auto& [name, use] : uses) {
    const auto key = config::find_key(name);
    const auto sets = [&](const PlannedTrial& trial) {
      return key ? trial.settings.is_explicit(*key) : !trial.settings.layers.empty();
    };
    const auto all = static_cast<std::size_t>(std::count_if(trials.begin(), trials.end(), sets));
    // Variants may leave a key to others; values and rows always say it.
    const auto varies = [&](const Axis& axis) {
      return axis.form != AxisForm::variants && axis.sets(*key);
    };
    const bool is_varied = key && std::any_of(sweep.axes.begin(), sweep.axes.end(), varies);
    if (use.without_effect == all) {
      lints.push_back(
          {"unused_key", fmt::format("{}: {} has no effect on any trial and is left out "
                                     "of their identity",
                                     use.place, name)});
    } else if (is_varied && use.on_axis_without_effect > 0) {
      lints.push_back(
          {"unused_key", fmt::format("{}: {} is varied without effect on {} of {} trials; give the "
                                     "axis a `when`",
                                     use.place, name, use.on_axis_without_effect, all)});
    }
  }
}

}  // namespace

void check_claims(const SweepFile& sweep, const SweepFile& written, const Expansion& expansion,
                  std::vector<Lint>& lints) {
  std::optional<Expansion> as_written;
  for (const Claim& claim : sweep.claims) {
    if (!claim.where || matches_any(*claim.where, expansion)) continue;
    if (!as_written) as_written = expand(written);
    const std::string sentence =
        fmt::format("{}: the claim '{}' matches no trial: {}", claim.where->place, claim.id,
                    claim.where->expression.text());
    if (!matches_any(*claim.where, *as_written)) throw ConfigError(sentence);
    lints.push_back({"claim_not_planned", sentence + " (as the command line has it)"});
  }
}

void lint_tables(const SweepFile& sweep, const Expansion& expansion, std::vector<Lint>& lints) {
  for (const TableLayout& table : sweep.tables) {
    std::vector<std::string> sides = table.rows;
    sides.insert(sides.end(), table.columns.begin(), table.columns.end());
    for (const std::string& side : sides) {
      const bool is_known = config::find_key(side) || is_reserved(side) ||
                            std::any_of(expansion.columns.begin(), expansion.columns.end(),
                                        [&](const Column& column) { return column.label == side; });
      if (is_known) continue;
      std::vector<std::string> known;
      for (const Column& column : expansion.columns) known.push_back(column.label);
      lints.push_back(
          {"table_never_matches",
           fmt::format("{}: {}", table.place, unknown_name_message("axis or key", side, known))});
    }
    if (table.where && !matches_any(*table.where, expansion)) {
      lints.push_back(
          {"table_never_matches",
           fmt::format("{}: the [[table]] '{}' matches no trial: {}", table.where->place,
                       table.title, table.where->expression.text())});
    }
  }
}

void lint_trials(const SweepFile& sweep, const std::vector<PlannedTrial>& trials,
                 std::vector<Lint>& lints) {
  lint_unused(sweep, trials, lints);
  // One lint for the sweep, with the number of trials that it concerns.
  const auto lint_where = [&](const char* rule, const auto& concerns, const char* sentence) {
    const auto number = std::count_if(trials.begin(), trials.end(), concerns);
    if (number > 0) {
      lints.push_back({rule, fmt::format("{} of {} trials {}", number, trials.size(), sentence)});
    }
  };
  const auto key = [](const char* name) { return config::require_key(name, "lints"); };
  const config::KeyIndex source = key("quant.calibration.source");
  lint_where(
      "calibrated_on_test", [&](const PlannedTrial& trial) { return says(trial, source, "test"); },
      "calibrate on test images (quant.calibration.source = \"test\")");
  const config::KeyIndex select = key("train.select");
  lint_where(
      "selected_on_test",
      [&](const PlannedTrial& trial) { return says(trial, select, "best_test"); },
      "report the best epoch picked on the test set (train.select = \"best_test\")");
  const config::KeyIndex scheme = key("quant.scheme");
  const config::KeyIndex preset = key("quant.preset");
  const config::KeyIndex first = key("quant.sites.first_weight_bits");
  const config::KeyIndex last = key("quant.sites.last_weight_bits");
  lint_where(
      "first_last_unstated",
      [&](const PlannedTrial& trial) {  // a preset states them
        return says(trial, scheme, "aciq") && !trial.settings.is_explicit(preset) &&
               !trial.settings.is_explicit(first) && !trial.settings.is_explicit(last);
      },
      "do not say how wide first and last layer are (quant.sites.first_weight_bits, "
      "last_weight_bits); the default is 8 bits");
  if (sweep.seeds.size() <= 1) {
    const config::KeyIndex kind = key("kind");
    lint_where(
        "one_seed", [&](const PlannedTrial& trial) { return says(trial, kind, "train"); },
        "train with one seed: their spread will be unknown");
  }
}

}  // namespace bitsweep::sweep
