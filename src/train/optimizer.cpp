#include "train/optimizer.h"

#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "core/check.h"
#include "kernels/optimizer.h"

namespace bitsweep::train {
namespace {

using exec::Training;

// Neighbours of one weight decay become one group: buffers between them (running statistics) have
// no gradient and must not decay, so that only true neighbours join.
template <class Group>
void join(std::vector<Group>& groups, Group next) {
  if (!groups.empty() && groups.back().offset + groups.back().size == next.offset &&
      groups.back().weight_decay == next.weight_decay) {
    groups.back().size += next.size;
    return;
  }
  groups.push_back(next);
}

}  // namespace

Optimizer::Optimizer(const config::TrainConfig& config, double alpha_weight_decay,
                     Training& training)
    : config_(config), training_(training) {
  BITSWEEP_CHECK(config.optimizer == "sgd" || config.optimizer == "adam", "optimizer '{}'",
                 config.optimizer);
  const c10::InferenceMode inference;
  for (const Training::Segment& s : training.segments()) {
    const bool decays = config.decay_norm_and_bias || s.kind == Training::ParameterKind::weight;
    join(groups_, Group{s.offset, s.size, decays ? config.weight_decay : 0.0});
  }
  if (training.alphas().numel() > 0) {
    alpha_groups_.push_back({0, training.alphas().numel(), alpha_weight_decay});
  }
  const auto moment = [&](const char* name, const at::Tensor& like) {
    moments_.push_back({name, at::zeros(like.sizes(), like.options())});
  };
  const bool adam = config.optimizer == "adam";
  moment("momentum", training.parameters());
  if (adam) moment("second_moment", training.parameters());
  moment("alpha_momentum", training.alphas());
  if (adam) moment("alpha_second_moment", training.alphas());
  lr_ = at::zeros({1}, training.parameters().options());
  step_ = at::zeros({1}, training.parameters().options().dtype(at::kLong));
}

void Optimizer::apply(at::Tensor& parameters, const at::Tensor& gradients, std::size_t first_moment,
                      const std::vector<Group>& groups) {
  const bool cuda = parameters.is_cuda();
  const auto* lr = lr_.const_data_ptr<float>();
  for (const Group& group : groups) {
    float* p = parameters.mutable_data_ptr<float>() + group.offset;
    const float* g = gradients.const_data_ptr<float>() + group.offset;
    float* m = moments_[first_moment].values.mutable_data_ptr<float>() + group.offset;
    const auto decay = static_cast<float>(group.weight_decay);
    if (config_.optimizer == "sgd") {
      const kernels::SgdOptions options{static_cast<float>(config_.momentum), decay,
                                        config_.nesterov};
      if (cuda) {
        kernels::sgd_step_cuda(p, m, g, group.size, options, lr, {});
      } else {
        kernels::sgd_step_cpu(p, m, g, group.size, options, lr);
      }
    } else {
      float* v = moments_[first_moment + 1].values.mutable_data_ptr<float>() + group.offset;
      const kernels::AdamOptions options{config_.beta1, config_.beta2, config_.epsilon,
                                         group.weight_decay};
      const auto* step = step_.const_data_ptr<std::int64_t>();
      if (cuda) {
        kernels::adam_step_cuda(p, m, v, g, group.size, options, lr, step, {});
      } else {
        kernels::adam_step_cpu(p, m, v, g, group.size, options, lr, step);
      }
    }
  }
}

void Optimizer::step(double lr) {
  const c10::InferenceMode inference;
  ++steps_;
  lr_.fill_(lr);
  step_.fill_(steps_);
  apply(training_.parameters(), training_.gradients(), 0, groups_);
  apply(training_.alphas(), training_.alpha_gradients(), moments_.size() / 2, alpha_groups_);
}

}  // namespace bitsweep::train
