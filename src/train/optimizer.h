// SGD and Adam over everything that a network trains: one pass over the flat buffers of
// exec::Training, group by group.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "config/trial.h"
#include "exec/training.h"

namespace bitsweep::train {

class Optimizer {
 public:
  // `training` must outlive this object. alpha_weight_decay: of the quantizers' α.
  Optimizer(const config::TrainConfig& config, double alpha_weight_decay, exec::Training& training);

  // Applies training.gradients() and alpha_gradients() at this rate.
  void step(double lr);

  // What it carries from step to step: flat float32 buffers on the device, by name ("momentum",
  // "alpha_momentum"; Adam also "second_moment", "alpha_second_moment"), to be read and written.
  struct Moment {
    std::string name;
    at::Tensor values;
  };
  std::vector<Moment>& moments() { return moments_; }
  // Steps done; Adam's bias correction counts them.
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  // One contiguous stretch of a flat buffer with its weight decay.
  struct Group {
    std::int64_t offset;
    std::int64_t size;
    double weight_decay;
  };

  void apply(at::Tensor& parameters, const at::Tensor& gradients, std::size_t first_moment,
             const std::vector<Group>& groups);

  config::TrainConfig config_;
  exec::Training& training_;
  std::vector<Group> groups_;        // of the parameters
  std::vector<Group> alpha_groups_;  // of α
  std::vector<Moment> moments_;  // per buffer: momentum (and second moment); parameters, then α
  at::Tensor lr_;                // [1] float32 on the device
  at::Tensor step_;              // [1] int64 on the device
  std::int64_t steps_ = 0;
};

}  // namespace bitsweep::train
