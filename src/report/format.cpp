#include "report/format.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace bitsweep::report {
namespace {

// "-0.00" is no number people write.
std::string fixed(double value, int decimals) {
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find_first_not_of("-0.") == std::string::npos && text[0] == '-') text.erase(0, 1);
  return text;
}

}  // namespace

std::string format_percent(double fraction, int decimals) {
  return fixed(100 * fraction, decimals);
}

std::string format_points(double difference, int decimals) {
  const std::string text = fixed(100 * difference, decimals);
  if (text[0] == '-') return "−" + text.substr(1);
  return text.find_first_not_of("0.") == std::string::npos ? text : "+" + text;
}

std::string format_p(double p) { return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p); }

std::string format_metric(std::string_view metric, double value) {
  switch (metric_kind(metric)) {
    case MetricKind::accuracy:
      return format_percent(value);
    case MetricKind::exact:
      return value == std::floor(value) && std::abs(value) < 1e15 &&
                     metric.find("average") == std::string_view::npos
                 ? format_count(static_cast<std::int64_t>(value))
                 : fixed(value, 2);
    case MetricKind::real:
      return fmt::format("{:.4g}", value);
  }
  return {};
}

std::string format_estimate(std::string_view metric, const Estimate& estimate) {
  const std::string mean = format_metric(metric, estimate.sample.mean);
  if (estimate.sample.n == 1 || estimate.noise == Noise::none) return mean;
  return fmt::format("{} ± {} ({})", mean, format_metric(metric, estimate.sample.sd),
                     estimate.sample.n);
}

std::string format_interval(std::string_view metric, const Estimate& estimate) {
  if (estimate.noise == Noise::none || estimate.noise == Noise::unknown) return "";
  return fmt::format("{} … {}", format_metric(metric, estimate.interval.lower),
                     format_metric(metric, estimate.interval.upper));
}

std::string metric_heading(std::string_view metric) {
  return metric_kind(metric) == MetricKind::accuracy ? fmt::format("{} (%)", metric)
                                                     : std::string(metric);
}

std::string format_json(const nlohmann::json& value) {
  if (value.is_null()) return "–";
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

}  // namespace bitsweep::report
