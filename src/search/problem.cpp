#include "search/problem.h"

#include "core/check.h"

namespace bitsweep::search {
namespace {

struct Step {
  std::size_t knob = 0;
  std::size_t choice = 0;
  double saved = 0;
  double lost = 0;

  // Less degradation for each unit saved; of free ones the one that saves most.
  bool beats(const Step& other) const {
    const double mine = lost * other.saved;
    const double theirs = other.lost * saved;
    return mine != theirs ? mine < theirs : saved > other.saved;
  }
};

std::optional<Step> best_step(const Problem& problem, const Solution& from) {
  std::optional<Step> best;
  for (std::size_t knob = 0; knob < problem.knobs.size(); ++knob) {
    for (std::size_t choice = 0; choice < problem.knobs[knob].size(); ++choice) {
      if (choice == from.choices[knob]) continue;
      Choices changed = from.choices;
      changed[knob] = choice;
      const Solution to = evaluate(problem, std::move(changed));
      const Step step{knob, choice, from.cost - to.cost, to.degradation - from.degradation};
      if (step.saved > 0 && (!best || step.beats(*best))) best = step;
    }
  }
  return best;
}

}  // namespace

Solution evaluate(const Problem& problem, Choices choices) {
  BITSWEEP_CHECK(choices.size() == problem.knobs.size(), "{} choices for {} knobs", choices.size(),
                 problem.knobs.size());
  Solution out;
  out.cost = problem.base_cost;
  for (std::size_t knob = 0; knob < choices.size(); ++knob) {
    const Choice& choice = problem.knobs[knob].at(choices[knob]);
    out.degradation += choice.degradation;
    out.cost += choice.cost;
  }
  for (const PairCost& pair : problem.pairs) {
    if (choices[pair.a] == pair.choice_a && choices[pair.b] == pair.choice_b) {
      out.cost += pair.cost;
    }
  }
  out.choices = std::move(choices);
  return out;
}

std::vector<Solution> greedy_path(const Problem& problem) {
  std::vector<Solution> path = {evaluate(problem, Choices(problem.knobs.size(), 0))};
  while (const auto step = best_step(problem, path.back())) {
    Choices choices = path.back().choices;
    choices[step->knob] = step->choice;
    path.push_back(evaluate(problem, std::move(choices)));
  }
  return path;
}

std::optional<Solution> within_budget(const std::vector<Solution>& path, double budget) {
  for (const Solution& solution : path) {
    if (solution.cost <= budget) return solution;
  }
  return std::nullopt;
}

}  // namespace bitsweep::search
