#include "report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/text.h"
#include "report/condition.h"

namespace bitsweep::report {
namespace {

// `requires` asks for what was measured: an unset number of test images is the number evaluated.
nlohmann::json measured_row(const Run& run) {
  nlohmann::json row = run.row();
  if (row.value("data.test_images", nlohmann::json()).is_null() && row.contains("images")) {
    row["data.test_images"] = row["images"];
  }
  return row;
}

// Why nothing of the group can be compared yet.
std::string why_not_run(const Group& group) {
  std::string failure;
  std::size_t failed = 0;
  for (const Run* run : group.runs) {
    const store::AttemptRecord* attempt = run->shown();
    if (attempt == nullptr || !attempt->failure) continue;
    ++failed;
    failure = attempt->failure->failure_class;
  }
  if (failed == 0) return "";
  return fmt::format("{} of {} trials failed ({})", failed, group.runs.size(), failure);
}

std::string what_would_decide(const Estimate& ours, const Comparison& comparison) {
  if (comparison.images_needed)
    return fmt::format("{} images would decide", format_count(*comparison.images_needed));
  if (comparison.seeds_needed)
    return fmt::format("{} seeds would decide", format_count(*comparison.seeds_needed));
  if (ours.noise == Noise::unknown)
    return fmt::format("one value has no interval; {} seeds would give one", kSeedsToReproduce);
  return "the difference sits on the tolerance: no number of images or seeds would decide";
}

Judgement judge(const ReportInput& input, const std::vector<Group>& groups,
                const store::ClaimRecord& claim) {
  Judgement out;
  out.claim = &claim;
  const Condition where(claim.where, fmt::format("claim '{}', where", claim.id));
  std::vector<const Group*> matched;
  for (const Group& group : groups) {
    const auto matches = [&](const Run* run) { return where.holds(run->row()); };
    if (std::any_of(group.runs.begin(), group.runs.end(), matches)) matched.push_back(&group);
  }
  if (matched.empty()) {
    throw ConfigError(fmt::format("claim '{}': where = '{}' matches no trial of sweep '{}'",
                                  claim.id, claim.where, input.sweep.name));
  }
  if (matched.size() > 1) {
    out.verdict = Verdict::not_comparable;
    out.reason =
        fmt::format("'where' matches {} configurations, a claim is about one", matched.size());
    return out;
  }
  const Group& group = *matched.front();
  out.group = &group;
  out.ours = estimate(group, claim.metric);
  const auto successful = group.successful();
  if (!claim.requires_.empty()) {
    const Condition condition(claim.requires_, fmt::format("claim '{}', requires", claim.id));
    const Run& witness = successful.empty() ? *group.runs.front() : *successful.front();
    const nlohmann::json row = measured_row(witness);
    // Before a run the number of images evaluated may be open; then the condition is, too.
    const bool open =
        successful.empty() && row.value("data.test_images", nlohmann::json()).is_null();
    if (!open && !condition.holds(row)) {
      out.verdict = Verdict::not_comparable;
      out.reason = "requires " + claim.requires_;
      return out;
    }
  }
  if (successful.empty()) {
    out.verdict = Verdict::not_run;
    out.reason = why_not_run(group);
    out.command = "bitsweep run " + input.source;
    return out;
  }
  if (!out.ours) {
    out.verdict = Verdict::not_comparable;
    out.reason = fmt::format("the trial has no metric '{}'", claim.metric);
    return out;
  }
  out.comparison = compare(*out.ours, claim.value, claim.tolerance);
  out.verdict = out.comparison->verdict;
  if (out.verdict == Verdict::undecided) out.reason = what_would_decide(*out.ours, *out.comparison);
  return out;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::reproduced:
      return "reproduced";
    case Verdict::gap:
      return "gap";
    case Verdict::undecided:
      return "undecided";
    case Verdict::not_run:
      return "not run";
    case Verdict::not_comparable:
      return "not comparable";
  }
  BITSWEEP_CHECK(false, "verdict {}", static_cast<int>(verdict));
}

Comparison compare(const Estimate& ours, double published, double tolerance) {
  Comparison out;
  out.difference = ours.sample.mean - published;
  out.interval = {ours.interval.lower - published, ours.interval.upper - published};
  const bool inside = out.interval.lower >= -tolerance && out.interval.upper <= tolerance;
  const bool outside = out.interval.lower > tolerance || out.interval.upper < -tolerance;
  const double margin = std::abs(tolerance - std::abs(out.difference));
  switch (ours.noise) {
    case Noise::none:
      out.verdict = inside ? Verdict::reproduced : Verdict::gap;
      return out;
    case Noise::unknown:
      return out;  // one value without an interval decides nothing
    case Noise::binomial:
      if (inside || outside) break;
      out.images_needed = images_to_decide(ours.sample.mean, margin);
      return out;
    case Noise::student:
      if (outside) break;
      if (inside && ours.sample.n >= kSeedsToReproduce) break;
      out.seeds_needed = seeds_to_decide(ours.sample.sd, margin);
      if (out.seeds_needed) out.seeds_needed = std::max(*out.seeds_needed, kSeedsToReproduce);
      return out;
  }
  out.verdict = outside ? Verdict::gap : Verdict::reproduced;
  return out;
}

std::vector<Judgement> judge_claims(const ReportInput& input, const std::vector<Group>& groups) {
  std::vector<Judgement> out;
  for (const store::ClaimRecord& claim : input.sweep.claims) {
    out.push_back(judge(input, groups, claim));
  }
  return out;
}

bool is_missed(Verdict verdict) { return verdict == Verdict::gap || verdict == Verdict::not_run; }

}  // namespace bitsweep::report
