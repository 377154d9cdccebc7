// A published number beside ours: difference, its interval, and what may be said about it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

enum class Verdict { reproduced, gap, undecided, not_run, not_comparable };
std::string_view to_string(Verdict verdict);

// A t interval of fewer seeds never earns `reproduced`: two that happen to agree show no spread.
inline constexpr std::int64_t kSeedsToReproduce = 3;

// What the numbers alone say: `reproduced`, `gap` or `undecided`.
struct Comparison {
  Verdict verdict = Verdict::undecided;
  double difference = 0;  // ours − published
  Interval interval;      // of the difference; the published value counts as exact
  // What would decide at the same mean: images where the noise is binomial, seeds where it is of
  // the seeds or unknown. Nothing where no number would (the difference sits on the tolerance).
  std::optional<std::int64_t> images_needed;
  std::optional<std::int64_t> seeds_needed;
};
// Inside ± tolerance `reproduced`, wholly outside `gap`, otherwise `undecided`.
Comparison compare(const Estimate& ours, double published, double tolerance);

struct Judgement {
  const store::ClaimRecord* claim = nullptr;
  Verdict verdict = Verdict::not_run;
  const Group* group = nullptr;  // what the claim is about; nullptr where it names no single one
  std::optional<Estimate> ours;
  std::optional<Comparison> comparison;
  std::string reason;   // one clause; "" where the numbers say it all
  std::string command;  // what would run it, where it did not
};

// `where` must match trials of one group: a claim about several configurations is not comparable.
// `source` is the sweep file for the command. Throws ConfigError for an expression that cannot be
// read, and for a claim that matches nothing.
std::vector<Judgement> judge_claims(const ReportInput& input, const std::vector<Group>& groups);

// Whether `report --gate` refuses: a gap, or a claim whose trial has not run.
bool is_missed(Verdict verdict);

}  // namespace bitsweep::report
