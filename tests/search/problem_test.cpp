#include "search/problem.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cstdint>

namespace bitsweep::search {
namespace {

using Catch::Matchers::WithinAbs;

// Small whole numbers in a fixed order, so that sums are exact and equal on every machine.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 2 + 1) {}
  double upto(int most) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>((state_ >> 33) % static_cast<std::uint64_t>(most + 1));
  }

 private:
  std::uint64_t state_;
};

Problem random_problem(std::uint64_t seed, std::size_t knobs, std::size_t choices,
                       bool with_pairs) {
  Numbers numbers(seed);
  Problem out;
  out.base_cost = 1000;
  for (std::size_t k = 0; k < knobs; ++k) {
    out.knobs.push_back({{0, 0}});
    for (std::size_t c = 1; c < choices; ++c) {
      out.knobs.back().push_back({numbers.upto(50) - 5, -numbers.upto(60)});
    }
  }
  for (std::size_t k = 0; with_pairs && k + 1 < knobs; ++k) {
    out.pairs.push_back({k, 1, k + 1, choices - 1, numbers.upto(20) - 10});
  }
  return out;
}

// The least degradation within the budget, by trying everything.
std::optional<Solution> by_trying(const Problem& problem, double budget) {
  std::optional<Solution> best;
  Choices choices(problem.knobs.size(), 0);
  while (true) {
    const Solution here = evaluate(problem, choices);
    if (here.cost <= budget && (!best || here.degradation < best->degradation)) best = here;
    std::size_t knob = 0;
    while (knob < choices.size() && ++choices[knob] == problem.knobs[knob].size()) {
      choices[knob++] = 0;
    }
    if (knob == choices.size()) return best;
  }
}

Problem two_knobs() {
  return {.base_cost = 16, .knobs = {{{0, 0}, {3, -4}, {9, -6}}, {{0, 0}, {1, -2}}}, .pairs = {}};
}

TEST_CASE("a solution adds up what its choices cost and lose, pairs included") {
  Problem problem = two_knobs();
  problem.pairs.push_back({0, 2, 1, 1, 5});
  const Solution with_pair = evaluate(problem, {2, 1});
  CHECK(with_pair.cost == 16 - 6 - 2 + 5);
  CHECK(with_pair.degradation == 10);
  CHECK(evaluate(problem, {1, 1}).cost == 10);
}

TEST_CASE("the greedy path takes the cheapest loss for what it saves, step by step") {
  const std::vector<Solution> path = greedy_path(two_knobs());
  REQUIRE(path.size() == 4);
  CHECK(path[0].choices == Choices{0, 0});
  CHECK(path[1].choices == Choices{0, 1});  // 1 for 2 saved, before 3 for 4
  CHECK(path[2].choices == Choices{1, 1});
  CHECK(path[3].choices == Choices{2, 1});
  CHECK(path[3].cost == 8);
}

TEST_CASE("a path meets a budget at its first solution that costs no more") {
  const std::vector<Solution> path = greedy_path(two_knobs());
  CHECK(within_budget(path, 12)->choices == Choices{1, 1});
  CHECK(within_budget(path, 16)->choices == Choices{0, 0});
  CHECK_FALSE(within_budget(path, 7.9));
}

TEST_CASE("the integer program finds what trying everything finds") {
  const auto seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{24}));
  const bool with_pairs = seed % 2 == 1;
  const Problem problem = random_problem(seed, 5, 4, with_pairs);
  for (const double budget : {1000.0, 950.0, 905.0, 880.0, 820.0}) {
    const auto expected = by_trying(problem, budget);
    const auto found = solve_exactly(problem, budget);
    CAPTURE(seed, budget);
    REQUIRE(found.has_value() == expected.has_value());
    if (!found) continue;
    CHECK(found->cost <= budget);
    CHECK_THAT(found->degradation, WithinAbs(expected->degradation, 1e-9));
    CHECK(found->is_optimal);
  }
}

TEST_CASE("the integer program never loses more than the greedy path") {
  const auto seed = GENERATE(range(std::uint64_t{100}, std::uint64_t{104}));
  const Problem problem = random_problem(seed, 30, 5, false);
  const std::vector<Solution> path = greedy_path(problem);
  for (std::size_t i = 0; i < path.size(); i += 7) {
    const auto exact = solve_exactly(problem, path[i].cost);
    REQUIRE(exact);
    CHECK(exact->degradation <= path[i].degradation + 1e-9);
  }
}

TEST_CASE("a budget below every choice has no solution") {
  CHECK_FALSE(solve_exactly(two_knobs(), 7.9));
  REQUIRE(solve_exactly(two_knobs(), 8));
  CHECK(solve_exactly(two_knobs(), 8)->choices == Choices{2, 1});
}

}  // namespace
}  // namespace bitsweep::search
