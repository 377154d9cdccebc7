// A network of one's own from an ONNX file (model.file): a graph with its float32 weights.
#pragma once

#include <filesystem>

#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::models {

struct OnnxNetwork {
  graph::Graph graph;
  graph::Parameters weights;
};

// Takes convolutional networks with one image in and one vector out, and the operators
//   Add AveragePool BatchNormalization Clip Concat Constant Conv Dropout Flatten Gemm
//   GlobalAveragePool HardSigmoid HardSwish Identity MatMul MaxPool Mul Pad ReduceMean Relu Reshape
//   Shape Slice
// as far as the graph has them: Clip as ReLU or ReLU6, HardSigmoid with α = 1/6, MatMul with an Add
// of constants as a linear layer, Pad of zeros before a convolution, Slice of every so many rows
// and columns with a Pad of channels as a shortcut, ReduceMean over height and width, Reshape as
// flattening; and what is computed of shapes (models/onnx_integers.h). A layer is named after its
// weight's initializer ("layer1.0.conv1", from layer1.0.conv1.weight), else after its ONNX node;
// the graph's name is the file's. Throws ConfigError, beginning with "model.file", that names the
// node for an operator or a use of one that is not among these; DataError where the file is
// damaged: no protobuf, a weight of another type or size than it says, with a NaN, or in another
// file.
OnnxNetwork read_onnx(const std::filesystem::path& path);

}  // namespace bitsweep::models
