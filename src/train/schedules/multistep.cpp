#include <algorithm>
#include <cmath>

#include "train/schedule.h"

namespace bitsweep::train {
namespace {

double rate(const config::TrainConfig& config, const Position& position) {
  const auto passed = std::ranges::count_if(config.milestones, [&](std::int64_t milestone) {
    return position.epoch >= static_cast<double>(milestone);
  });
  return config.lr * std::pow(config.gamma, static_cast<double>(passed));
}

}  // namespace

void register_multistep(Registry<Schedule>& registry) {
  registry.add({.name = "multistep",
                .summary = "lr times gamma for every milestone that is passed",
                .rate = rate});
}

}  // namespace bitsweep::train
