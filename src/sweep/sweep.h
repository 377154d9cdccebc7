// A sweep file as typed values: what is varied, left out, added, claimed and laid out in tables.
// Grammar and rules: docs/sweeps.md. Reading checks the file for itself; the network, the data set
// and this machine are asked by sweep/plan.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/expression.h"
#include "config/settings.h"
#include "config/value.h"

namespace bitsweep::sweep {

struct Condition {
  config::Expression expression;
  config::Place place;
};

// One position on an axis.
struct AxisPoint {
  // What names, tables and conditions show: the value, the variant's name; for rows "4:8".
  config::Value value;
  std::vector<config::Assignment> set;
};

enum class AxisForm { values, rows, variants };

struct Axis {
  AxisForm form = AxisForm::values;
  std::string name;                    // "" where the file gives none
  std::vector<config::KeyIndex> keys;  // that its points set, each once; one for AxisForm::values
  std::vector<AxisPoint> points;       // never empty
  std::optional<Condition> when;
  config::Place place;

  bool sets(config::KeyIndex key) const;
};

// Points of the product that are not run.
struct Exclusion {
  Condition condition;
  std::string reason;
};

// A point outside the product.
struct Inclusion {
  std::string name;
  std::vector<config::Assignment> set;
  config::Place place;
};

// A point outside the product whose settings are complete: what an analysis asks of its recipe.
struct ReadyPoint {
  std::string name;
  config::Settings settings;
};

// A trial that others need first: `model.weights = "stage:NAME"`, paired by seed.
struct Stage {
  std::string name;
  config::Settings settings;
  config::Place place;
};

// A published number to hold the sweep's trials against.
struct Claim {
  std::string id;
  std::optional<Condition> where;      // every trial of the sweep where absent
  std::optional<Condition> requires_;  // comparable with any trial where absent
  std::string metric;
  std::optional<double> value;  // a fraction where `percent`; none where the source prints none
  double tolerance = 0;         // half-width, in the unit of `value`
  bool percent = false;         // the source prints percent
  nlohmann::json details;       // document, table, source, note, … as written
  config::Place place;
};

// How the report lays results out.
struct TableLayout {
  std::string title;
  std::vector<std::string> rows;     // axes or configuration keys
  std::vector<std::string> columns;  // likewise; empty: one column
  std::string metric;
  std::optional<Condition> where;  // every trial where absent
  config::Place place;
};

struct SweepFile {
  std::filesystem::path path;  // as given
  std::string text;            // as read
  std::string name;
  bool is_recipe = false;  // trial tables at top level: a sweep of one

  // default < preset < `base` < [trial] (or the recipe itself), the sweep's [[layer]] rules first.
  config::Settings trial;
  std::vector<Axis> axes;  // in file order
  std::vector<Exclusion> exclusions;
  std::vector<Inclusion> inclusions;
  std::vector<ReadyPoint> ready;    // no file says these
  std::vector<std::int64_t> seeds;  // empty: the trial's own
  std::vector<Stage> stages;
  std::vector<Claim> claims;
  std::vector<TableLayout> tables;
  std::vector<std::string> notes;  // for the reader of its report
};

// Throws ConfigError with file, line and column for whatever the file cannot mean, DataError where
// it cannot be read.
SweepFile load_sweep(const std::filesystem::path& path);

}  // namespace bitsweep::sweep
