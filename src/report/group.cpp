#include "report/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace bitsweep::report {
namespace {

bool ends_with(std::string_view text, std::string_view tail) {
  return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
}

// "w4a4.top1" and "images" → "w4a4.images".
std::string sibling(std::string_view metric, std::string_view name) {
  const auto dot = metric.rfind('.');
  return dot == std::string_view::npos ? std::string(name)
                                       : std::string(metric.substr(0, dot + 1)) + std::string(name);
}

// Images behind an accuracy: "PREFIX.images", else "images", else 0.
std::int64_t images_behind(const nlohmann::json& finals, std::string_view metric) {
  for (const std::string& name : {sibling(metric, "images"), std::string("images")}) {
    const auto it = finals.find(name);
    if (it != finals.end() && it->is_number()) return it->get<std::int64_t>();
  }
  return 0;
}

std::string group_label(const store::Membership& membership) {
  const std::string prefix = membership.sweep + "/";
  return membership.group.rfind(prefix, 0) == 0 ? membership.group.substr(prefix.size())
                                                : membership.group;
}

}  // namespace

std::vector<const Run*> Group::successful() const {
  std::vector<const Run*> out;
  for (const Run* run : runs) {
    if (run->status() == store::Status::ok) out.push_back(run);
  }
  return out;
}

nlohmann::json Group::value_of(const std::string& name) const {
  for (const auto& [label, value] : axes) {
    if (label == name) return value;
  }
  const nlohmann::json& config = runs.front()->trial.config;
  const auto first = config.find(name);
  if (first == config.end()) return nullptr;
  const bool is_how = name.rfind("quant.", 0) == 0 && name != "quant.scheme";
  if (is_how && config.value("quant.scheme", nlohmann::json()) == "none") return nullptr;
  for (const Run* run : runs) {
    if (run->trial.config.value(name, nlohmann::json()) != *first) return nullptr;
  }
  return *first;
}

std::vector<Group> group_by_seed(const ReportInput& input) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> position;
  for (const Run& run : input.runs) {
    const store::Membership& membership = run.membership();
    const auto [it, is_new] = position.try_emplace(membership.group, groups.size());
    if (is_new) {
      Group group;
      group.name = group_label(membership);
      group.anchor = fmt::format("c{}", groups.size() + 1);
      group.axes = membership.axes;
      groups.push_back(std::move(group));
    }
    groups[it->second].runs.push_back(&run);
  }
  return groups;
}

MetricKind metric_kind(std::string_view metric) {
  const std::string_view name = metric.substr(metric.rfind('.') + 1);  // npos + 1 is 0
  if (name == "top1" || name == "top5" || name == "top1_batch_mean") return MetricKind::accuracy;
  constexpr std::array<std::string_view, 10> kCounts{
      "macs",    "madds",  "madds_published", "params", "parameters",
      "weights", "images", "size_mb",         "epochs", "steps"};
  const bool is_exact = std::find(kCounts.begin(), kCounts.end(), name) != kCounts.end() ||
                        ends_with(name, "bits_average") || ends_with(name, "bytes") ||
                        ends_with(name, "bops");
  return is_exact ? MetricKind::exact : MetricKind::real;
}

std::optional<Estimate> estimate(const Group& group, std::string_view metric) {
  std::vector<double> values;
  Estimate out;
  out.kind = metric_kind(metric);
  for (const Run* run : group.successful()) {
    const nlohmann::json& finals = run->shown()->finals;
    double value = NAN;
    const auto it = finals.find(std::string(metric));
    if (it != finals.end() && it->is_number()) value = it->get<double>();
    if (metric == "seconds" && run->shown()->seconds) value = *run->shown()->seconds;
    if (!std::isfinite(value)) continue;
    values.push_back(value);
    if (out.kind == MetricKind::accuracy) {
      const std::int64_t images = images_behind(finals, metric);
      out.images = values.size() == 1 ? images : std::min(out.images, images);
    }
  }
  if (values.empty()) return std::nullopt;
  out.sample = summarize(values);
  out.interval = {out.sample.mean, out.sample.mean};
  if (out.kind == MetricKind::exact && out.sample.sd == 0) {
    out.noise = Noise::none;
    return out;
  }
  // Trials that the seed did not change are one measurement: their spread of 0 says nothing.
  const bool seeds_vary = out.sample.n >= 2 && out.sample.sd > 0;
  if (seeds_vary) {
    out.noise = Noise::student;
    out.interval = t_interval(out.sample);
  }
  if (out.images > 0 && (!seeds_vary || out.images < kWholeTestSet)) {
    const Interval binomial = clopper_pearson(
        {std::llround(out.sample.mean * static_cast<double>(out.images)), out.images});
    if (!seeds_vary || binomial.upper - binomial.lower > out.interval.upper - out.interval.lower) {
      out.noise = Noise::binomial;
      out.interval = binomial;
    }
  }
  return out;
}

}  // namespace bitsweep::report
