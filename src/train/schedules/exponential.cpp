#include <cmath>

#include "train/schedule.h"

namespace bitsweep::train {

void register_exponential(Registry<Schedule>& registry) {
  registry.add({.name = "exponential",
                .summary = "lr times gamma to the power of the epochs done",
                .rate = [](const config::TrainConfig& config, const Position& position) {
                  return config.lr * std::pow(config.gamma, position.elapsed());
                }});
}

}  // namespace bitsweep::train
