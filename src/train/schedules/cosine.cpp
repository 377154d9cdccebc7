// Half a cosine from lr to lr_floor (Loshchilov 2017, arXiv 1608.03983, eq. 5, without restarts),
// in closed form; torch.optim.lr_scheduler.CosineAnnealingLR with T_max = epochs after the warm-up.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/schedule.h"

namespace bitsweep::train {
namespace {

double rate(const config::TrainConfig& config, const Position& position) {
  if (position.length() <= 0) return config.lr;
  const double done = std::min(position.elapsed() / position.length(), 1.0);
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * done));
  return share * config.lr + (1 - share) * config.lr_floor;  // exact at both ends
}

}  // namespace

void register_cosine(Registry<Schedule>& registry) {
  registry.add(
      {.name = "cosine", .summary = "half a cosine from lr down to lr_floor", .rate = rate});
}

}  // namespace bitsweep::train
