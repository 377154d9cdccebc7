// The points of a search that are worth evaluating: for each budget the greedy and the exact
// choice, and the same width everywhere to hold them against.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "search/cost.h"
#include "search/problem.h"
#include "search/recipe.h"

namespace bitsweep::search {

struct Candidate {
  std::string method;  // "greedy", "exact", "uniform"
  double budget = 0;   // that it was chosen for; its own cost where uniform
  Widths widths;
  double cost = 0;          // counted
  double degradation = 0;   // predicted
  bool is_optimal = false;  // proved, of "exact"
};

struct SearchSpace {
  const Recipe& recipe;
  Cost cost = Cost::bits;
  std::vector<std::size_t> turned;                // knobs
  std::vector<int> candidates;                    // widths, widest first
  std::vector<std::vector<double>> degradations;  // by turned knob and candidate
};

// Budgets between the cheapest choice and the dearest, `count` of them in equal ratios, ascending.
std::vector<double> spread_budgets(const SearchSpace& space, std::size_t count);

// Throws ConfigError for a budget that the narrowest widths exceed, with what they cost.
std::vector<Candidate> find_candidates(const SearchSpace& space, std::span<const double> budgets);

}  // namespace bitsweep::search
