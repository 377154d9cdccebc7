#include "search/cost.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::search {
namespace {

// Counted costs are whole numbers or averages: what differs by less is rounding.
constexpr double kSameShare = 1e-12;

bool activations_alone(const Recipe& recipe, std::span<const std::size_t> turned) {
  return std::ranges::none_of(
      turned, [&](std::size_t knob) { return recipe.knobs()[knob].tensor == Tensor::weight; });
}

bool both_kinds(const Recipe& recipe, std::span<const std::size_t> turned) {
  const auto is_weight = [&](std::size_t knob) {
    return recipe.knobs()[knob].tensor == Tensor::weight;
  };
  return std::ranges::any_of(turned, is_weight) && !std::ranges::all_of(turned, is_weight);
}

}  // namespace

Cost cost_named(std::string_view word) {
  static const std::vector<std::string> kWords = {"bits", "bytes", "bops"};
  if (word == "bits") return Cost::bits;
  if (word == "bytes") return Cost::bytes;
  if (word == "bops") return Cost::bops;
  throw ConfigError(unknown_name_message("cost", word, kWords));
}

double cost_of(Cost cost, const graph::TotalCount& count, bool activations_alone) {
  switch (cost) {
    case Cost::bits:
      return activations_alone ? count.activation_bits_average : count.weight_bits_average;
    case Cost::bytes:
      return count.weight_bits_average * static_cast<double>(count.weights) / 8 +
             static_cast<double>(count.scale_bytes);
    case Cost::bops:
      return static_cast<double>(count.bops);
  }
  BITSWEEP_CHECK(false, "cost {}", static_cast<int>(cost));
}

Widths widths_of(const Recipe& recipe, std::span<const std::size_t> turned,
                 std::span<const int> candidates, const Choices& choices) {
  BITSWEEP_CHECK(choices.size() == turned.size(), "{} choices for {} knobs", choices.size(),
                 turned.size());
  Widths out(recipe.knobs().size());
  for (std::size_t i = 0; i < turned.size(); ++i) out[turned[i]] = candidates[choices[i]];
  return out;
}

Problem make_problem(const Recipe& recipe, Cost cost, std::span<const std::size_t> turned,
                     std::span<const int> candidates,
                     const std::vector<std::vector<double>>& degradations) {
  const bool alone = activations_alone(recipe, turned);
  const auto cost_at = [&](const Choices& choices) {
    return cost_of(cost, recipe.count(widths_of(recipe, turned, candidates, choices)), alone);
  };
  Problem out;
  Choices choices(turned.size(), 0);
  out.base_cost = cost_at(choices);
  for (std::size_t i = 0; i < turned.size(); ++i) {
    std::vector<Choice>& knob = out.knobs.emplace_back();
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      choices[i] = c;
      knob.push_back({degradations.at(i).at(c), cost_at(choices) - out.base_cost});
    }
    choices[i] = 0;
  }
  // A weight and what its layer reads multiply in bit operations; nothing else does.
  if (cost != Cost::bops || !both_kinds(recipe, turned)) return out;
  for (std::size_t a = 0; a < turned.size(); ++a) {
    for (std::size_t b = a + 1; b < turned.size(); ++b) {
      if (recipe.knobs()[turned[a]].tensor == recipe.knobs()[turned[b]].tensor) continue;
      for (std::size_t ca = 1; ca < candidates.size(); ++ca) {
        for (std::size_t cb = 1; cb < candidates.size(); ++cb) {
          choices[a] = ca;
          choices[b] = cb;
          const double together = cost_at(choices) - out.base_cost;
          const double more = together - out.knobs[a][ca].cost - out.knobs[b][cb].cost;
          if (std::abs(more) > kSameShare * out.base_cost)
            out.pairs.push_back({a, ca, b, cb, more});
        }
      }
      choices[a] = choices[b] = 0;
    }
  }
  return out;
}

}  // namespace bitsweep::search
