#include "sweep/cost.h"

#include <algorithm>
#include <vector>

#include "core/check.h"

namespace bitsweep::sweep {
namespace {

double operations(const PlannedTrial& trial) {
  return static_cast<double>(trial.macs) * static_cast<double>(trial.passes);
}

}  // namespace

std::int64_t image_passes(const config::TrialConfig& trial, const ImagesRead& read) {
  if (trial.eval.split == config::EvalSplit::validation) {
    return *trial.data.validation_images +
           (config::calibrates(trial) ? trial.quant.calibration.images : 0);
  }
  if (trial.kind != config::TrialKind::train) return read.train + read.test;
  const config::TrainConfig& train = trial.train;
  std::int64_t trained = train.epochs * read.train;
  if (train.max_steps) trained = std::min(trained, *train.max_steps * train.batch_size);
  const std::int64_t epochs = read.train > 0 ? (trained + read.train - 1) / read.train : 0;
  const std::int64_t evaluations = train.eval_every > 0 ? epochs / train.eval_every : 0;
  const std::int64_t taught = train.distillation.is_on() ? trained : 0;
  const std::int64_t measured = std::min(train.norm_batches * train.batch_size, read.train);
  return kPassesOfATrainedImage * trained + taught + measured +
         std::max<std::int64_t>(evaluations, 1) * read.test;
}

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
    } else if (operations(trial) > 0) {
      trial.cost = Cost{operations(trial) / rate, false};
    }
  }
}

}  // namespace bitsweep::sweep
