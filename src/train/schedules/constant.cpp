#include "train/schedule.h"

namespace bitsweep::train {

void register_constant(Registry<Schedule>& registry) {
  registry.add(
      {.name = "constant",
       .summary = "the same rate throughout",
       .rate = [](const config::TrainConfig& config, const Position&) { return config.lr; }});
}

}  // namespace bitsweep::train
