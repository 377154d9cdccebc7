#include "train/initialize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "core/check.h"
#include "graph/layers.h"
#include "kernels/philox_math.h"

namespace bitsweep::train {
namespace {

using graph::TensorSpec;
using kernels::RandomStream;

void fill_uniform(const RandomStream& random, double bound, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double unit = (kernels::random_bits(random, i) + 0.5) * 0x1p-32;
    out[i] = static_cast<float>(bound * (2 * unit - 1));
  }
}

void fill_normal(const RandomStream& random, double deviation, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double u = (kernels::random_bits(random, 2 * i) + 1.0) * 0x1p-32;
    const double v = kernels::random_bits(random, 2 * i + 1) * 0x1p-32;
    out[i] = static_cast<float>(deviation * std::sqrt(-2 * std::log(u)) *
                                std::cos(2 * std::numbers::pi * v));
  }
}

// Elements of a weight behind its first axis.
double fan_in(const TensorSpec& weight) {
  return static_cast<double>(weight.elements()) / static_cast<double>(weight.shape[0]);
}

double fan_out(const TensorSpec& weight) {
  return static_cast<double>(weight.elements()) / static_cast<double>(weight.shape[1]);
}

void fill_weight(const models::LayerInitialization& rule, const TensorSpec& weight,
                 const RandomStream& random, std::span<float> out) {
  switch (rule.weight) {
    case models::WeightRule::torch_default:
      return fill_uniform(random, 1 / std::sqrt(fan_in(weight)), out);
    case models::WeightRule::kaiming_uniform:
      return fill_uniform(random, std::sqrt(6 / fan_in(weight)), out);
    case models::WeightRule::kaiming_normal_fan_in:
      return fill_normal(random, std::sqrt(2 / fan_in(weight)), out);
    case models::WeightRule::kaiming_normal_fan_out:
      return fill_normal(random, std::sqrt(2 / fan_out(weight)), out);
    case models::WeightRule::glorot_uniform:
      return fill_uniform(random, std::sqrt(6 / (fan_in(weight) + fan_out(weight))), out);
    case models::WeightRule::normal:
      return fill_normal(random, rule.deviation, out);
  }
}

void fill_bias(const models::LayerInitialization& rule, const TensorSpec& weight,
               const RandomStream& random, std::span<float> out) {
  switch (rule.bias) {
    case models::BiasRule::torch_default:
      return fill_uniform(random, 1 / std::sqrt(fan_in(weight)), out);
    case models::BiasRule::zero:
      std::ranges::fill(out, 0.0F);
      return;
  }
}

}  // namespace

void initialize(const graph::Graph& graph, const models::Initialization& rules, std::uint64_t seed,
                graph::Parameters& parameters) {
  const std::vector<TensorSpec>& specs = parameters.specs();
  const graph::NodeId last_layer = graph::layers(graph).back();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const TensorSpec& spec = specs[i];
    const graph::Node& node = graph.node(spec.node);
    const std::span<float> out = parameters.values(spec.name);
    if (node.as<graph::BatchNorm>() != nullptr) {
      const bool one = spec.name.ends_with(".weight") || spec.name.ends_with(".running_var");
      std::ranges::fill(out, one ? 1.0F : 0.0F);
      continue;
    }
    BITSWEEP_CHECK(node.has_weight(), "tensor '{}' belongs to a {}", spec.name, op_name(node));
    const bool is_last = rules.last.has_value() && spec.node == last_layer;
    const models::LayerInitialization& rule = is_last ? *rules.last
                                              : node.as<graph::Convolution>() != nullptr
                                                  ? rules.convolution
                                                  : rules.linear;
    const RandomStream random{
        .seed = seed, .stream = kInitializationStream, .step = static_cast<std::uint32_t>(i)};
    if (spec.name.ends_with(".weight"))
      fill_weight(rule, spec, random, out);
    else
      fill_bias(rule, specs[i - 1], random, out);  // its weight stands before it
  }
}

}  // namespace bitsweep::train
