// What widths cost, as a problem to solve: average bits, bytes or bit operations of a recipe.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/count.h"
#include "search/problem.h"
#include "search/recipe.h"

namespace bitsweep::search {

enum class Cost {
  bits,   // average over the elements of the weights, or of the outputs where those are searched
  bytes,  // of weights and their scales, not rounded up to whole bytes
  bops,   // bit operations of one image
};

// "bits", "bytes", "bops". Throws ConfigError for another word.
Cost cost_named(std::string_view word);

// `tensors` decides what "bits" averages: outputs where they alone are searched, else weights.
double cost_of(Cost cost, const graph::TotalCount& count, bool activations_alone);

// The recipe's knobs at `turned` (positions), each with the widths `candidates`, widest first;
// other knobs stay as the recipe has them. `degradations[i][c]` is of turned[i] at candidates[c].
// Costs come from counting, pairs from where counting finds two choices to be more (or less) than
// their sum.
Problem make_problem(const Recipe& recipe, Cost cost, std::span<const std::size_t> turned,
                     std::span<const int> candidates,
                     const std::vector<std::vector<double>>& degradations);

// The recipe's widths for choices of such a problem.
Widths widths_of(const Recipe& recipe, std::span<const std::size_t> turned,
                 std::span<const int> candidates, const Choices& choices);

}  // namespace bitsweep::search
