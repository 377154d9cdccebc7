#include "search/plan.h"

#include <fmt/format.h>

#include <cmath>

#include "config/value.h"
#include "core/error.h"

namespace bitsweep::search {
namespace {

// Where a width that several inputs share (concatenation takes the widest) makes costs more than
// pairwise: how often a budget is tightened until what was chosen counts within it.
constexpr int kMostTightenings = 20;

class Planner {
 public:
  explicit Planner(const SearchSpace& space)
      : space_(space),
        problem_(make_problem(space.recipe, space.cost, space.turned, space.candidates,
                              space.degradations)) {}

  Candidate candidate(const char* method, double budget, const Solution& solution) const {
    Candidate out{
        method, budget, widths(solution.choices), 0, solution.degradation, solution.is_optimal};
    out.cost = counted(out.widths);
    return out;
  }

  Candidate uniform(std::size_t choice) const {
    Candidate out =
        candidate("uniform", 0, evaluate(problem_, Choices(space_.turned.size(), choice)));
    out.budget = out.cost;
    return out;
  }

  Candidate greedy(double budget) const {
    static_cast<void>(check(budget));
    for (const Solution& solution : greedy_path(problem_)) {
      Candidate out = candidate("greedy", budget, solution);
      if (out.cost <= budget) return out;
    }
    throw ConfigError(unmet(budget));
  }

  Candidate exact(double budget) const {
    double target = budget;
    for (int i = 0; i < kMostTightenings; ++i) {
      const auto solution = solve_exactly(problem_, target);
      if (!solution) break;
      Candidate out = candidate("exact", budget, *solution);
      if (out.cost <= budget) {
        out.is_optimal = out.is_optimal && target == budget;
        return out;
      }
      target -= out.cost - budget;
    }
    throw ConfigError(unmet(budget));
  }

 private:
  Widths widths(const Choices& choices) const {
    return widths_of(space_.recipe, space_.turned, space_.candidates, choices);
  }

  double counted(const Widths& widths) const {
    bool activations_alone = true;
    for (const std::size_t knob : space_.turned) {
      activations_alone =
          activations_alone && space_.recipe.knobs()[knob].tensor == Tensor::activation;
    }
    return cost_of(space_.cost, space_.recipe.count(widths), activations_alone);
  }

  std::string unmet(double budget) const {
    return fmt::format(
        "a budget of {} cannot be met: the narrowest widths ({} bits) cost {}; expected at least "
        "that, or narrower --widths",
        config::format_real(budget), space_.candidates.back(),
        config::format_real(uniform(space_.candidates.size() - 1).cost));
  }

  double check(double budget) const {
    if (uniform(space_.candidates.size() - 1).cost <= budget) return budget;
    throw ConfigError(unmet(budget));
  }

  const SearchSpace& space_;
  Problem problem_;
};

}  // namespace

std::vector<double> spread_budgets(const SearchSpace& space, std::size_t count) {
  const Planner planner(space);
  const double dearest = planner.uniform(0).cost;
  const double cheapest = planner.uniform(space.candidates.size() - 1).cost;
  std::vector<double> out;
  for (std::size_t i = 1; i <= count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count + 1);
    out.push_back(cheapest * std::pow(dearest / cheapest, share));
  }
  return out;
}

std::vector<Candidate> find_candidates(const SearchSpace& space, std::span<const double> budgets) {
  const Planner planner(space);
  std::vector<Candidate> out;
  for (std::size_t choice = 0; choice < space.candidates.size(); ++choice) {
    out.push_back(planner.uniform(choice));
  }
  for (const double budget : budgets) {
    out.push_back(planner.greedy(budget));
    out.push_back(planner.exact(budget));
  }
  return out;
}

}  // namespace bitsweep::search
