// What several networks are made of: a convolution with its batch norm, in the forms in which
// pretrained weights come.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "config/trial.h"
#include "graph/graph.h"
#include "models/model.h"

namespace bitsweep::models {

// TensorFlow's "SAME": the padding of `input` that gives ⌈n / stride⌉ outputs for n inputs, the
// smaller half on top and left.
graph::Padding same_padding(const graph::Shape& input, std::array<int, 2> kernel,
                            std::array<int, 2> stride);

// How the convolutions of a network are written.
struct ConvStyle {
  bool same_padding = false;  // false: (kernel − 1) / 2 on every side
  bool batch_norm = true;     // false: folded into the convolution, which has a bias instead
  double eps = 1e-5;
  double momentum = 0.1;  // graph::BatchNorm::momentum
};

struct ConvShape {
  std::int64_t out_channels = 0;
  int kernel = 1;
  int stride = 1;
  std::int64_t groups = 1;
};

// Adds node `conv` behind x and, unless the style has it folded, `norm` behind that.
graph::NodeId add_conv_norm(graph::Graph& g, const ConvStyle& style, std::string conv,
                            std::string norm, graph::NodeId x, const ConvShape& shape);

// `own` with what `config` says of padding and batch norms.
ConvStyle conv_style(const config::ModelConfig& config, ConvStyle own);
// The options that conv_style() reads; `own` first.
std::vector<ModelOption> conv_style_options(const ConvStyle& own);

// The multiple of 8 next to `channels`, not below 8 nor below 90 % of it (Sandler 2018).
std::int64_t round_channels(double channels);

}  // namespace bitsweep::models
