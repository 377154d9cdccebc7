// solve_exactly of search/problem.h, by Cbc (COIN-OR branch and cut).
#include <Cbc_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/check.h"
#include "search/problem.h"

namespace bitsweep::search {
namespace {

struct FreeModel {
  void operator()(Cbc_Model* model) const { Cbc_deleteModel(model); }
};
using Model = std::unique_ptr<Cbc_Model, FreeModel>;

// Cbc calls a constraint met that is missed by 1e-6 of its (scaled) size.
constexpr double kSlack = 2e-6;

// Rows that grow term by term; Cbc copies them.
class Rows {
 public:
  explicit Rows(Cbc_Model* model) : model_(model) {}

  void add(int column, double factor) {
    columns_.push_back(column);
    factors_.push_back(factor);
  }
  // Ends the row: its terms `sense` `right`, where sense is 'E', 'L' or 'G'.
  void end(char sense, double right) {
    Cbc_addRow(model_, "", static_cast<int>(columns_.size()), columns_.data(), factors_.data(),
               sense, right);
    columns_.clear();
    factors_.clear();
  }

 private:
  Cbc_Model* model_;
  std::vector<int> columns_;
  std::vector<double> factors_;
};

double largest_degradation(const Problem& problem) {
  double largest = 0;
  for (const auto& choices : problem.knobs) {
    for (const Choice& choice : choices) {
      largest = std::max(largest, std::abs(choice.degradation));
    }
  }
  return largest > 0 ? largest : 1;
}

// The variables: one for each choice of each knob, then one for each pair.
class Program {
 public:
  Program(const Problem& problem, double budget) : problem_(problem), model_(Cbc_newModel()) {
    add_columns();
    add_choice_rows();
    add_pair_rows();
    add_budget_row(budget);
  }

  std::optional<Solution> solve(double most_seconds) {
    Cbc_setLogLevel(model_.get(), 0);
    Cbc_setParameter(model_.get(), "log", "0");
    Cbc_setMaximumSeconds(model_.get(), most_seconds);
    Cbc_setAllowableGap(model_.get(), 0);
    Cbc_setAllowableFractionGap(model_.get(), 0);
    Cbc_solve(model_.get());
    const double* values =
        Cbc_isProvenInfeasible(model_.get()) != 0 ? nullptr : Cbc_bestSolution(model_.get());
    if (values == nullptr) return std::nullopt;
    Choices choices;
    for (std::size_t knob = 0; knob < problem_.knobs.size(); ++knob) {
      const double* first = values + first_[knob];
      choices.push_back(static_cast<std::size_t>(
          std::max_element(first, first + problem_.knobs[knob].size()) - first));
    }
    Solution out = evaluate(problem_, std::move(choices));
    out.is_optimal = Cbc_isProvenOptimal(model_.get()) != 0;
    return out;
  }

 private:
  int column(std::size_t knob, std::size_t choice) const {
    return first_[knob] + static_cast<int>(choice);
  }

  void add_columns() {
    const double unit = largest_degradation(problem_);
    int column = 0;
    for (const auto& choices : problem_.knobs) {
      first_.push_back(column);
      for (const Choice& choice : choices) {
        Cbc_addCol(model_.get(), "", 0, 1, choice.degradation / unit, 1, 0, nullptr, nullptr);
        ++column;
      }
    }
    // A product of binary variables is binary by its rows.
    pairs_ = column;
    for (std::size_t i = 0; i < problem_.pairs.size(); ++i) {
      Cbc_addCol(model_.get(), "", 0, 1, 0, 0, 0, nullptr, nullptr);
    }
  }

  void add_choice_rows() {
    Rows rows(model_.get());
    for (std::size_t knob = 0; knob < problem_.knobs.size(); ++knob) {
      for (std::size_t c = 0; c < problem_.knobs[knob].size(); ++c) rows.add(column(knob, c), 1);
      rows.end('E', 1);
    }
  }

  // z = x·y: the budget presses z down where it costs, so z ≥ x + y − 1 suffices, and up where it
  // saves, so z ≤ x and z ≤ y do.
  void add_pair_rows() {
    Rows rows(model_.get());
    for (std::size_t i = 0; i < problem_.pairs.size(); ++i) {
      const PairCost& pair = problem_.pairs[i];
      const int product = pairs_ + static_cast<int>(i);
      const int x = column(pair.a, pair.choice_a);
      const int y = column(pair.b, pair.choice_b);
      if (pair.cost > 0) {
        rows.add(product, 1);
        rows.add(x, -1);
        rows.add(y, -1);
        rows.end('G', -1);
        continue;
      }
      for (const int factor : {x, y}) {
        rows.add(product, 1);
        rows.add(factor, -1);
        rows.end('L', 0);
      }
    }
  }

  void add_budget_row(double budget) {
    Rows rows(model_.get());
    const double unit = std::max(std::abs(budget), std::abs(problem_.base_cost));
    BITSWEEP_CHECK(unit > 0, "a budget of 0 for a cost of 0");
    for (std::size_t knob = 0; knob < problem_.knobs.size(); ++knob) {
      for (std::size_t c = 0; c < problem_.knobs[knob].size(); ++c) {
        const double cost = problem_.knobs[knob][c].cost;
        if (cost != 0) rows.add(column(knob, c), cost / unit);
      }
    }
    for (std::size_t i = 0; i < problem_.pairs.size(); ++i) {
      rows.add(pairs_ + static_cast<int>(i), problem_.pairs[i].cost / unit);
    }
    rows.end('L', (budget - problem_.base_cost) / unit);
  }

  const Problem& problem_;
  Model model_;
  std::vector<int> first_;  // by knob: the column of its first choice
  int pairs_ = 0;           // the column of the first pair
};

}  // namespace

std::optional<Solution> solve_exactly(const Problem& problem, double budget, double most_seconds) {
  std::optional<Solution> out = Program(problem, budget).solve(most_seconds);
  if (!out || out->cost <= budget) return out;
  // Over by less than the solver can see: a budget that much smaller leaves nothing to doubt.
  const double scale = std::max(std::abs(budget), std::abs(problem.base_cost));
  const double over = out->cost - budget;
  BITSWEEP_CHECK(over <= kSlack * scale, "a solution of cost {} for a budget of {}", out->cost,
                 budget);
  out = Program(problem, budget - kSlack * scale).solve(most_seconds);
  if (out) out->is_optimal = false;  // one between the two budgets may be better
  return out;
}

}  // namespace bitsweep::search
