// A quantized network in whole numbers (document 002, facts A.9): integer weights, fixed-point
// multipliers and bounds, as data. Executors run it (integer/reference.h, integer/fast.h), the
// export writes it, hardware is generated from it. Knows nothing of LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "integer/settings.h"
#include "kernels/fixed_point_math.h"

namespace bitsweep::integer {

using TensorId = int;
inline constexpr TensorId kNone = -1;

// What a step hands to later ones: codes of one image, `shape` row-major. Every code lies within
// low … high, the bounds to which the step clips.
struct Tensor {
  std::string name;  // of the graph's node whose value it is
  graph::Shape shape;
  double scale = 1;  // real value = code / scale
  std::int32_t low = 0;
  std::int32_t high = 0;
  // Whether a quantizer of the configuration stands here; else the carrier of a value that
  // training left in full precision (integer/settings.h).
  bool quantized = true;

  int bits() const;  // that hold every code: signed where low < 0
};

// y = clip(round((acc·multiplier[c] + (other·other_multiplier + offset[c])·2^added_shift) /
// 2^fraction_bits)), to the bounds of the tensor that is written; c: the channel. added_shift: the
// fraction bits that the sums of products have beside those of the multiplier, where a layer reads
// a carrier.
struct Requantization {
  std::vector<std::int32_t> multiplier;  // one for all channels, or one each
  std::vector<std::int32_t> offset;      // empty: 0; else one per channel
  std::int32_t other_multiplier = 0;
  int fraction_bits = 16;
  int added_shift = 0;

  std::int64_t multiplier_of(std::int64_t channel) const {
    return multiplier[multiplier.size() == 1 ? 0 : static_cast<std::size_t>(channel)];
  }
  std::int64_t offset_of(std::int64_t channel) const {
    return offset.empty() ? 0 : offset[static_cast<std::size_t>(channel)];
  }
};

// Integer weights: real weight = code / scale.
struct Weights {
  std::vector<std::int32_t> codes;  // [out_channels, in_channels / groups, height, width]
  double scale = 1;
  int bits = 8;  // of the two's complement that holds every code
};

// A convolution, or a linear layer as one of 1×1, with what follows it: batch norm, addition of
// `other`, ReLU, quantizer.
struct Layer {
  std::string name;
  bool linear = false;
  graph::Convolution shape{};  // bias: is in the offset
  Weights weights{};
  // The sum of products is first divided by 2^input_shift towards zero: document 002 multiplies the
  // real image and truncates to whole accumulators.
  int input_shift = 0;
  TensorId input = 0;
  TensorId other = kNone;
  TensorId output = kNone;
  Requantization requantization{};
};

// A batch norm, an addition or an activation that no layer before it could take:
// y = clip(round((Σ_i x_i·multipliers[i][c] + offset[c]) / 2^fraction_bits)).
struct Combination {
  std::string name;
  std::vector<TensorId> inputs;                          // one or two
  std::vector<std::vector<std::int32_t>> multipliers{};  // by input: one, or one per channel
  std::vector<std::int32_t> offset{};                    // empty, or one per channel
  int fraction_bits = 16;
  TensorId output = kNone;
};

// The mean over height and width.
struct MeanPool {
  std::string name;
  TensorId input = 0;
  TensorId output = kNone;
  std::int32_t multiplier = 1;  // of the mean (whole_mean), else of the sum
  int fraction_bits = 0;
  bool whole_mean = false;  // document 002: kernels::pooled_in_two_steps
};

struct MaxPool {
  std::string name;
  graph::Pool shape;
  TensorId input = 0;
  TensorId output = kNone;
};

// ResNet's parameter-free shortcut; codes unchanged.
struct ShortcutPad {
  std::string name;
  graph::ZeroPadShortcut shape;
  TensorId input = 0;
  TensorId output = kNone;
};

// The last layer: real logits, float32.
struct Classifier {
  std::string name;
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;
  Weights weights{};          // [out_features, in_features]
  std::vector<float> bias{};  // [out_features]
  TensorId input = 0;
};

using Step = std::variant<Layer, Combination, MeanPool, MaxPool, ShortcutPad, Classifier>;

const std::string& step_name(const Step& step);
std::string_view step_kind(const Step& step);  // "convolution", "linear", "mean_pool", …
TensorId output_of(const Step& step);          // kNone for a classifier

struct Network {
  std::string name;
  Settings settings;
  std::vector<Tensor> tensors;  // the first is the input
  std::vector<Step> steps;      // in order; the last one is the classifier

  const Tensor& tensor(TensorId id) const { return tensors.at(static_cast<std::size_t>(id)); }
  const Tensor& input() const { return tensors.front(); }
  const Classifier& classifier() const { return std::get<Classifier>(steps.back()); }
  std::int64_t num_classes() const { return classifier().out_features; }
  kernels::Requantizer requantizer(TensorId output, int fraction_bits) const;
};

// Throws DataError naming network, step and fault unless every step reads tensors written before it
// and every array has the length that its shape asks for; codes and bounds fit their widths; and no
// sum can leave int64. Whoever makes or reads a network calls it.
void check(const Network& network);

}  // namespace bitsweep::integer
