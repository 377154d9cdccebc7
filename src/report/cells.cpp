#include "report/cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/axes.h"
#include "report/format.h"

namespace bitsweep::report {
namespace {

// What stands in place of a number that is not there.
std::string absence(const Group& group) {
  for (const Run* run : group.runs) {
    const store::AttemptRecord* attempt = run->shown();
    if (attempt != nullptr && attempt->failure) {
      return fmt::format("{} ({})", store::to_string(attempt->status),
                         attempt->failure->failure_class);
    }
  }
  const store::Status status = group.runs.front()->status();
  return status == store::Status::queued ? "not run" : std::string(store::to_string(status));
}

}  // namespace

Text linked(const Group& group, std::string text) {
  Text out;
  out.add(std::move(text), Style::plain, group.anchor);
  return out;
}

Text result_cell(const Group& group, const std::string& metric) {
  if (const auto ours = estimate(group, metric))
    return linked(group, format_estimate(metric, *ours));
  return group.successful().empty() ? linked(group, absence(group)) : Text("–");
}

std::string published_text(const store::ClaimRecord& claim) {
  if (metric_kind(claim.metric) != MetricKind::accuracy) {
    return format_metric(claim.metric, claim.value);
  }
  const auto decimals = claim.details.find("decimals");
  if (decimals != claim.details.end() && decimals->is_number_integer()) {
    return format_percent(claim.value, decimals->get<int>());
  }
  std::string text = format_percent(claim.value, 3);
  text.erase(text.find_last_not_of('0') + 1);
  return text.back() == '.' ? text + "0" : text;
}

std::string difference_text(const Judgement& judgement) {
  if (!judgement.comparison) return "";
  const Comparison& comparison = *judgement.comparison;
  if (metric_kind(judgement.claim->metric) != MetricKind::accuracy) {
    return fmt::format("{:+.4g}", comparison.difference);
  }
  std::string out = format_points(comparison.difference);
  if (judgement.ours->noise == Noise::binomial || judgement.ours->noise == Noise::student) {
    out += fmt::format(" ({} … {})", format_points(comparison.interval.lower),
                       format_points(comparison.interval.upper));
  }
  return out;
}

Text verdict_cell(const Judgement& judgement) {
  Text out;
  out.add(std::string(to_string(judgement.verdict)), Style::strong);
  if (!judgement.reason.empty()) out.add(": " + judgement.reason);
  if (!judgement.command.empty()) out.add("; ").add(judgement.command, Style::code);
  return out;
}

std::vector<Text> axis_cells(const Group& group, const std::vector<std::string>& axes) {
  std::vector<Text> cells;
  if (is_outside_product(group, axes)) {
    cells.emplace_back(group.name);
    cells.resize(std::max<std::size_t>(axes.size(), 1));
    return cells;
  }
  for (const std::string& axis : axes) cells.emplace_back(format_json(group.value_of(axis)));
  return cells;
}

}  // namespace bitsweep::report
