#include "core/check.h"
#include "train/schedule.h"

namespace bitsweep::train {
namespace {

double rate(const config::TrainConfig& config, const Position& position) {
  BITSWEEP_CHECK(config.rates.size() == config.milestones.size(), "{} rates, {} milestones",
                 config.rates.size(), config.milestones.size());
  double current = config.lr;
  for (std::size_t i = 0; i < config.rates.size(); ++i) {
    if (position.epoch >= static_cast<double>(config.milestones[i])) current = config.rates[i];
  }
  return current;
}

}  // namespace

void register_piecewise(Registry<Schedule>& registry) {
  registry.add({.name = "piecewise",
                .summary = "lr, then from each milestone on the rate given for it",
                .rate = rate});
}

}  // namespace bitsweep::train
