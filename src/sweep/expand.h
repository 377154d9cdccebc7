// A sweep's points: the product of its axes in file order times the seeds, conditions and
// exclusions applied, included points last. Touches no file and no registry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.h"
#include "sweep/lint.h"
#include "sweep/names.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

struct Point {
  std::string name;   // "sweep/axis=value,…,seed=0"; the seed only where there are several
  std::string group;  // the name without the seed
  std::vector<config::Value> axis_values;  // one a column; unset: collapsed, or an included point
  std::int64_t seed = 0;
  config::Settings settings;
};

struct SkippedPoint {
  std::string name;
  std::vector<config::Value> axis_values;  // as in Point
  std::int64_t seed = 0;
  std::string reason;
  config::Place place;  // of the condition that excludes it
};

struct Expansion {
  std::vector<Column> columns;
  std::vector<Point> points;
  std::vector<SkippedPoint> skipped;
  std::vector<Lint> lints;  // conditions that never held
};

inline constexpr double kMaxPoints = 1e6;

// An axis whose `when` is false leaves its keys unset and counts once. Throws ConfigError where
// conditions of axes wait for each other, or where the product exceeds kMaxPoints.
Expansion expand(const SweepFile& sweep);

}  // namespace bitsweep::sweep
