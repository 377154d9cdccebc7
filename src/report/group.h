// Trials that differ by their seed alone, and what their metrics say together.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/input.h"
#include "report/statistics.h"

namespace bitsweep::report {

struct Group {
  std::string name;    // of the sweep's point: "axis=value,…"
  std::string anchor;  // "c1", "c2", … in plan order: what cells link to and `repro REPORT#c1` runs
  std::vector<std::pair<std::string, nlohmann::json>> axes;  // label → value, in file order
  std::vector<const Run*> runs;                              // in plan order; never empty

  std::vector<const Run*> successful() const;
  // The value of an axis or configuration key that all trials of the group share, else null. What
  // says how to quantize is null where nothing is quantized (quant.scheme = "none").
  nlohmann::json value_of(const std::string& name) const;
};

// In plan order. The groups point into `input`.
std::vector<Group> group_by_seed(const ReportInput& input);

enum class MetricKind {
  accuracy,  // a share of images: top1, w4a4.top5, top1_batch_mean
  exact,     // follows from the configuration without noise: counts, bytes, average bits
  real,      // anything else: loss, seconds
};
MetricKind metric_kind(std::string_view metric);

enum class Noise {
  none,      // an exact metric
  binomial,  // of the images, one trial (or several that the seed did not change)
  student,   // of the seeds
  unknown,   // one value of a metric that is no accuracy
};

// Fewer images than any test set behind a published number are a sample of it: the noise of the
// images counts even where several seeds agree well.
inline constexpr std::int64_t kWholeTestSet = 10'000;

struct Estimate {
  Sample sample;
  MetricKind kind = MetricKind::real;
  Noise noise = Noise::unknown;
  Interval interval;        // [mean, mean] where noise is none or unknown
  std::int64_t images = 0;  // behind one trial's accuracy; 0 where that is not known
};

// Nothing where no successful trial of the group has a finite number for the metric.
std::optional<Estimate> estimate(const Group& group, std::string_view metric);

}  // namespace bitsweep::report
