#include "sweep/cost.h"

#include <algorithm>
#include <vector>

#include "core/check.h"

namespace bitsweep::sweep {
namespace {

double operations(const PlannedTrial& trial) {
  return static_cast<double>(trial.macs) * static_cast<double>(trial.images);
}

}  // namespace

void estimate_costs(Plan& plan, std::span<const std::optional<double>> past_seconds) {
  BITSWEEP_CHECK(past_seconds.empty() || past_seconds.size() == plan.trials.size(),
                 "{} past times for {} trials", past_seconds.size(), plan.trials.size());
  std::vector<double> rates;
  for (std::size_t i = 0; i < past_seconds.size(); ++i) {
    const double work = operations(plan.trials[i]);
    if (past_seconds[i] && *past_seconds[i] > 0 && work > 0) {
      rates.push_back(work / *past_seconds[i]);
    }
  }
  double rate = kMacsPerSecond;
  if (!rates.empty()) {
    const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
    std::nth_element(rates.begin(), middle, rates.end());
    rate = *middle;
  }
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    PlannedTrial& trial = plan.trials[i];
    if (!past_seconds.empty() && past_seconds[i]) {
      trial.cost = Cost{*past_seconds[i], true};
    } else if (trial.unavailable.empty() && operations(trial) > 0) {
      trial.cost = Cost{operations(trial) / rate, false};
    }
  }
}

}  // namespace bitsweep::sweep
