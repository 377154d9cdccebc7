#include "report/verdict.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "fixture.h"

using namespace bitsweep;
using namespace bitsweep::report;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

// One configuration whose seeds got `correct` of `images` right.
ReportInput seeds_input(const std::vector<std::int64_t>& correct, std::int64_t images) {
  ReportInput input;
  input.sweep.name = "demo";
  input.source = "sweeps/demo.toml";
  for (std::size_t seed = 0; seed < correct.size(); ++seed) {
    Run run = make_run("x=1", seed, {{"x", 1}}, config_of("aciq", 8, 8));
    succeed(run, {correct[seed], images});
    input.runs.push_back(std::move(run));
  }
  return input;
}

Estimate top1_of(const ReportInput& input) {
  const auto groups = group_by_seed(input);
  REQUIRE(groups.size() == 1);
  const auto ours = estimate(groups.front(), "top1");
  REQUIRE(ours.has_value());
  return *ours;
}

Judgement judge_one(ReportInput& input, const store::ClaimRecord& claimed,
                    std::vector<Group>& groups) {
  input.sweep.claims = {claimed};
  groups = group_by_seed(input);
  return judge_claims(input, groups).front();
}

}  // namespace

TEST_CASE("one seed has the binomial interval of its images") {
  const Estimate ours = top1_of(seeds_input({9000}, 10'000));
  CHECK(ours.noise == Noise::binomial);
  CHECK(ours.interval.lower == Catch::Approx(clopper_pearson({9000, 10'000}).lower));
}

TEST_CASE("several seeds on a whole test set have the t interval") {
  const Estimate ours = top1_of(seeds_input({9000, 9010, 9020}, 10'000));
  CHECK(ours.noise == Noise::student);
  // t(2, 0.975) = 4.302653, sd = 0.001.
  CHECK(ours.interval.upper - 0.901 ==
        Catch::Approx(4.302653 * 0.001 / std::sqrt(3)).epsilon(1e-6));
}

TEST_CASE("seeds that changed nothing count as one measurement") {
  const Estimate ours = top1_of(seeds_input({9000, 9000, 9000}, 10'000));
  CHECK(ours.noise == Noise::binomial);
  CHECK(ours.interval.upper - ours.interval.lower > 0.01);
}

TEST_CASE("agreeing seeds on few images keep the noise of the images") {
  const Estimate ours = top1_of(seeds_input({450, 451, 452}, 500));
  CHECK(ours.noise == Noise::binomial);
}

TEST_CASE("compare calls reproduced, gap and undecided by the interval of the difference") {
  struct Case {
    double mean, lower, upper, published, tolerance;
    Verdict verdict;
  };
  const std::vector<Case> cases{
      {0.70, 0.69, 0.71, 0.70, 0.02, Verdict::reproduced},
      {0.70, 0.69, 0.71, 0.70, 0.0101, Verdict::reproduced},
      {0.70, 0.69, 0.71, 0.70, 0.009, Verdict::undecided},  // too wide
      {0.70, 0.69, 0.71, 0.75, 0.02, Verdict::gap},         // below
      {0.70, 0.69, 0.71, 0.65, 0.02, Verdict::gap},         // above
      {0.70, 0.69, 0.71, 0.725, 0.02, Verdict::undecided},  // reaches into the tolerance
      {0.70, 0.69, 0.71, 0.715, 0.02, Verdict::undecided},  // inside, but reaches out
  };
  for (const Case& c : cases) {
    CAPTURE(c.published, c.tolerance);
    Estimate ours;
    ours.kind = MetricKind::accuracy;
    ours.noise = Noise::binomial;
    ours.sample = {1, c.mean, 0};
    ours.interval = {c.lower, c.upper};
    ours.images = 8000;
    const Comparison comparison = compare(ours, c.published, c.tolerance);
    CHECK(comparison.verdict == c.verdict);
    CHECK(comparison.difference == Catch::Approx(c.mean - c.published));
    CHECK(comparison.images_needed.has_value() == (c.verdict == Verdict::undecided));
  }
}

TEST_CASE("a small number of images never earns reproduced, however well it agrees") {
  for (const std::int64_t images : {10, 50, 100, 1000}) {
    const Estimate ours = top1_of(seeds_input({images * 7 / 10}, images));
    const Comparison comparison = compare(ours, 0.7, 0.005);
    CHECK(comparison.verdict == Verdict::undecided);
    REQUIRE(comparison.images_needed.has_value());
    CHECK(*comparison.images_needed > images);
  }
}

TEST_CASE("two seeds that agree are no reproduction; the number that would be is at least three") {
  const Estimate ours = top1_of(seeds_input({9000, 9001}, 10'000));
  const Comparison comparison = compare(ours, 0.9, 0.005);
  CHECK(comparison.verdict == Verdict::undecided);
  CHECK(comparison.seeds_needed == kSeedsToReproduce);
  const Estimate three = top1_of(seeds_input({9000, 9001, 9002}, 10'000));
  CHECK(compare(three, 0.9, 0.005).verdict == Verdict::reproduced);
}

TEST_CASE("an exact metric is reproduced or not, without noise") {
  Estimate bits;
  bits.kind = MetricKind::exact;
  bits.noise = Noise::none;
  bits.sample = {1, 4.05, 0};
  bits.interval = {4.05, 4.05};
  CHECK(compare(bits, 4.0, 0.1).verdict == Verdict::reproduced);
  CHECK(compare(bits, 4.2, 0.1).verdict == Verdict::gap);
}

TEST_CASE("a claim whose requires does not hold is not comparable") {
  ReportInput input = seeds_input({912}, 1000);
  std::vector<Group> groups;
  const auto judged =
      judge_one(input, claim("c", "x == 1", 0.9, 0.01, "data.test_images == 10000"), groups);
  CHECK(judged.verdict == Verdict::not_comparable);
  CHECK(judged.reason == "requires data.test_images == 10000");
  // An unset number of test images is the number that was evaluated.
  const auto fits =
      judge_one(input, claim("c", "x == 1", 0.9, 0.01, "data.test_images == 1000"), groups);
  CHECK(fits.verdict == Verdict::undecided);
}

TEST_CASE("a claim without results is not run and says the command") {
  ReportInput input = seeds_input({912}, 1000);
  input.runs.front().attempts.clear();
  std::vector<Group> groups;
  const auto judged = judge_one(input, claim("c", "x == 1", 0.9, 0.01), groups);
  CHECK(judged.verdict == Verdict::not_run);
  CHECK(judged.command == "bitsweep run sweeps/demo.toml");
  CHECK(is_missed(judged.verdict));
}

TEST_CASE("a failed trial is not run and names the class of failure") {
  ReportInput input = seeds_input({912}, 1000);
  store::AttemptRecord& attempt = input.runs.front().attempts.front();
  attempt.status = store::Status::failed;
  attempt.finals = nlohmann::json::object();
  attempt.failure = store::Failure{"oom_host", "out of memory", {}, 9, nullptr};
  std::vector<Group> groups;
  const auto judged = judge_one(input, claim("c", "x == 1", 0.9, 0.01), groups);
  CHECK(judged.verdict == Verdict::not_run);
  CHECK_THAT(judged.reason, ContainsSubstring("oom_host"));
}

TEST_CASE("a claim about several configurations is not comparable; one about none is an error") {
  ReportInput input = demo_input();
  std::vector<Group> groups;
  const auto judged = judge_one(input, claim("c", "granularity == 'tensor'", 0.9, 0.01), groups);
  CHECK(judged.verdict == Verdict::not_comparable);
  CHECK_THROWS_MATCHES(judge_one(input, claim("c", "bits == 'W1A1'", 0.9, 0.01), groups),
                       ConfigError, MessageMatches(ContainsSubstring("matches no trial")));
}

TEST_CASE("only a gap and a claim not run are missed") {
  CHECK(is_missed(Verdict::gap));
  CHECK(is_missed(Verdict::not_run));
  CHECK_FALSE(is_missed(Verdict::reproduced));
  CHECK_FALSE(is_missed(Verdict::undecided));
  CHECK_FALSE(is_missed(Verdict::not_comparable));
}
