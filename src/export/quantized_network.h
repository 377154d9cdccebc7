// A network as integers and the grids that give them meaning: what a trial leaves behind when it is
// exported, and all that is needed to run it again (docs/formats.md).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/normalize.h"
#include "graph/graph.h"
#include "graph/parameters.h"
#include "kernels/clamp_quantize_math.h"
#include "kernels/fake_quantize_math.h"
#include "kernels/range_math.h"
#include "kernels/weight_quantizer_math.h"
#include "quant/bias_correction.h"

namespace bitsweep::exporting {

// The weight of one layer.
struct WeightCodes {
  graph::NodeId node = -1;
  std::string quantizer;  // its word in the configuration
  // One for the whole weight, or one per output channel.
  std::vector<int> bits;
  std::vector<kernels::AffineGrid> grids;
  // Of `kmeans` in place of grids: what each code, from 0 on, stands for.
  std::vector<std::vector<float>> centroids = {};
  std::vector<std::int32_t> codes;  // [elements of the weight], row-major
  // What document 004 does to a channel after quantization; empty, or one per output channel.
  std::vector<quant::ChannelCorrection> corrections;
  // Factors that follow, of layers whose norms were re-estimated; empty, or one per output channel.
  std::vector<double> rescales = {};
  // Weights normalised by tanh (document 002): a code stands for code / steps, which the grid's
  // scale · code only nearly is. `mean_abs` at 1 bit.
  std::optional<kernels::WeightQuantizer> normalized;
  double mean_abs = 0;
};

// The clamp of an output (document 002) with the end that it learned.
struct OutputClamp {
  kernels::ClampQuantizer quantizer;
  float alpha = 0;  // 0 where nothing is learned
};

// What the output of a node is quantized on, in evaluation.
struct OutputGrid {
  graph::NodeId node = -1;
  std::string quantizer;  // its word in the configuration
  bool half_range = false;
  // One for the whole output, or one per channel. Of a clamp: what its codes look like.
  std::vector<int> bits;
  std::vector<kernels::RealRange> ranges;
  std::vector<kernels::AffineGrid> grids;
  kernels::Rounding rounding;
  std::vector<double> positive_shifts;  // ptq::Quantizer; empty: none
  std::optional<OutputClamp> clamp;     // instead of grids and rounding
};

// What the network computed when it was exported, on the test images of its trial.
struct Recorded {
  std::int64_t images = 0;
  std::int64_t correct = 0;
  double top1 = 0;  // fractions
  double top5 = 0;
  double loss = 0;
  std::string bitmap_sha256;  // of the bitmap of the images that are right (run/protocol.h)
  std::string logits_sha256;  // of the logits of all images in file order, float32
  nlohmann::json fingerprint = nlohmann::json::object();
};

// As files and answers hold it: an object of these members.
nlohmann::json to_json(const Recorded& recorded);

struct QuantizedNetwork {
  std::string key;   // of the trial
  std::string name;  // "sweep/axis=value,…"
  // Flat settings of the trial (config::Settings::to_json): data, normalisation, evaluation.
  nlohmann::json settings = nlohmann::json::object();
  data::Normalization normalization;  // from bytes to what the graph's input takes
  graph::Graph graph{""};
  // As it runs: weights in codes hold what the codes stand for.
  graph::Parameters parameters{graph::Graph("")};
  std::vector<bool> skipped;         // by node: a ReLU that the quantizer before it performs
  std::vector<WeightCodes> weights;  // in execution order; layers without stay in float32
  std::vector<OutputGrid> outputs;   // in execution order
  Recorded recorded;

  const WeightCodes* weight_of(graph::NodeId node) const;  // nullptr: float32
  const OutputGrid* output_of(graph::NodeId node) const;   // nullptr: not quantized
  // Whether outputs are clamped by the executor of trainings.
  bool is_trained() const;
};

// Corrections and rescales of an output channel as one, but for their roundings.
quant::ChannelCorrection correction_of(const WeightCodes& weight, std::size_t channel);

// [elements]: what the codes stand for, corrections and rescales included; bit for bit what the
// trial computed with. `channels`: output channels of the layer.
std::vector<float> decode(const WeightCodes& weight, std::int64_t channels);

// A grid without codes (scale 0: a constant tensor, left as it is) gets the one code that stands
// for `value`.
kernels::AffineGrid with_a_code(const kernels::AffineGrid& grid, float value);

// One layer in bytes.
struct LayerSize {
  std::string layer;
  std::int64_t weights = 0;
  double bits = 32;               // mean width
  std::int64_t float_bytes = 0;   // of the weight in float32
  std::int64_t packed_bytes = 0;  // of its codes; float_bytes where it has none
  std::int64_t grid_bytes = 0;    // scales, zero points, widths, corrections
  std::int64_t other_bytes = 0;   // bias, float32
};

// Of every layer, in execution order. `graph::count` counts packed_bytes and the scales alone.
std::vector<LayerSize> layer_sizes(const QuantizedNetwork& network);

}  // namespace bitsweep::exporting
