// Numbers as a report prints them: accuracies in percent here and nowhere else.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "report/group.h"

namespace bitsweep::report {

std::string format_percent(double fraction, int decimals = 2);  // 0.92103 → "92.10"
std::string format_points(double difference,
                          int decimals = 2);  // −0.0035 → "−0.35", "+0.12", "0.00"
std::string format_p(double p);               // "0.031", "< 0.001"

// A metric's value in its unit: accuracies in percent, counts whole with separators, the rest with
// four significant digits.
std::string format_metric(std::string_view metric, double value);
// "92.10", "92.10 ± 0.12 (3)": mean ± sd (n), in the unit of format_metric.
std::string format_estimate(std::string_view metric, const Estimate& estimate);
// "91.55 … 92.62"; "" where the metric is exact or has no interval.
std::string format_interval(std::string_view metric, const Estimate& estimate);
// "top1 (%)", "loss": what stands over a column.
std::string metric_heading(std::string_view metric);

// A configuration value for people: strings bare, null as "–".
std::string format_json(const nlohmann::json& value);

}  // namespace bitsweep::report
