// How the values of a network begin where it is trained from scratch: rules per kind of layer.
// Batch norms begin at weight 1, bias 0, running mean 0, running variance 1 everywhere. What the
// rules draw from: train/initialize.h.
#pragma once

#include <optional>

namespace bitsweep::models {

// fan_in and fan_out as PyTorch counts them from a weight [out, in / groups, kh, kw]:
// in / groups · kh · kw and out · kh · kw. Kaiming: He 2015, arXiv 1502.01852, section 2.2, with
// the gain √2 of a ReLU.
enum class WeightRule {
  torch_default,           // uniform in ±1 / √fan_in (Kaiming uniform with a = √5)
  kaiming_uniform,         // uniform in ±√(6 / fan_in)
  kaiming_normal_fan_in,   // N(0, 2 / fan_in)
  kaiming_normal_fan_out,  // N(0, 2 / fan_out)
  glorot_uniform,          // uniform in ±√(6 / (fan_in + fan_out)) (Glorot 2010)
  normal,                  // N(0, deviation²)
};

enum class BiasRule {
  torch_default,  // uniform in ±1 / √fan_in of the weight
  zero,
};

struct LayerInitialization {
  WeightRule weight = WeightRule::torch_default;
  double deviation = 0;  // of WeightRule::normal
  BiasRule bias = BiasRule::torch_default;
};

// The default is PyTorch's own.
struct Initialization {
  LayerInitialization convolution = {};
  LayerInitialization linear = {};
  std::optional<LayerInitialization> last = {};  // of the last layer; unset: as its kind
};

}  // namespace bitsweep::models
