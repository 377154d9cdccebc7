// A search for widths as arithmetic: each knob takes one of its choices; degradations add up (each
// measured alone), costs add up but for pairs of choices that multiply (a layer's bit operations
// are weight bits × activation bits). Knows nothing of networks.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace bitsweep::search {

struct Choice {
  double degradation = 0;  // of the metric, against every knob at its first choice
  double cost = 0;         // added to the base cost; of the first choice 0
};

// What is added to the cost where knob `a` has choice `choice_a` and knob `b` has `choice_b`.
struct PairCost {
  std::size_t a = 0;
  std::size_t choice_a = 0;
  std::size_t b = 0;
  std::size_t choice_b = 0;
  double cost = 0;
};

struct Problem {
  double base_cost = 0;  // of every knob at its first choice
  // By knob, the widest first: its degradation and cost are 0. Never empty.
  std::vector<std::vector<Choice>> knobs;
  std::vector<PairCost> pairs;
};

using Choices = std::vector<std::size_t>;  // one a knob

struct Solution {
  Choices choices;
  double degradation = 0;  // predicted: the sum of its choices' degradations
  double cost = 0;
  bool is_optimal = false;  // proved to be the least degradation within its budget
};

Solution evaluate(const Problem& problem, Choices choices);

// From every knob at its first choice down: each step takes the one change to a cheaper choice that
// costs the least degradation for what it saves. Every step is a solution; the first is the start.
std::vector<Solution> greedy_path(const Problem& problem);

// The first of a path within `budget`; nothing where the whole path costs more.
std::optional<Solution> within_budget(const std::vector<Solution>& path, double budget);

// The choices of least predicted degradation within `budget`, as an integer program: a binary
// variable for each choice, one more for each pair, linearised (docs/decisions/0008). Nothing where
// no choice fits. Where the solver runs out of time the best that it found, not marked optimal.
std::optional<Solution> solve_exactly(const Problem& problem, double budget,
                                      double most_seconds = 60);

}  // namespace bitsweep::search
