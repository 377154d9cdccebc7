// A network as data: named nodes with attributes, inputs and shapes (docs/architecture.md, "A
// network is data"). Knows nothing of LibTorch, of values, or of quantization.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "graph/bit_map.h"

namespace bitsweep::graph {

using NodeId = std::int32_t;  // position in Graph::nodes(); inputs always come before their users

// One image: channels × height × width. A vector is channels × 1 × 1.
struct Shape {
  std::int64_t channels = 0;
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t elements() const { return channels * height * width; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

// Elements of zero padding on each side; asymmetric for TF "SAME".
struct Padding {
  int top = 0;
  int left = 0;
  int bottom = 0;
  int right = 0;
  static Padding all(int n) { return {n, n, n, n}; }
  bool symmetric() const { return top == bottom && left == right; }
  friend bool operator==(const Padding&, const Padding&) = default;
};

struct Input {};

// Weight: [out_channels, in_channels / groups, kernel[0], kernel[1]].
struct Convolution {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::array<int, 2> kernel{1, 1};
  std::array<int, 2> stride{1, 1};
  Padding padding{};
  std::array<int, 2> dilation{1, 1};
  std::int64_t groups = 1;
  bool bias = false;
};

// Weight: [out_features, in_features]. The input is a vector (channels × 1 × 1).
struct Linear {
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;
  bool bias = true;
};

// Per-channel. Parameters weight, bias; buffers running_mean, running_var: [features] each.
struct BatchNorm {
  std::int64_t features = 0;
  double eps = 1e-5;
  double momentum = 0.1;  // share of the new batch in the running statistics (PyTorch's meaning)
};

enum class ActivationKind {
  relu,
  relu6,
  hard_swish,          // x · min(max(x + 3, 0), 6) / 6
  hard_sigmoid,        // min(max(x + 3, 0), 6) / 6: MobileNetV3, PyTorch
  hard_sigmoid_fifth,  // min(max(x / 5 + 1/2, 0), 1): Keras 2, PaddlePaddle, ONNX's default
};
struct Activation {
  ActivationKind kind = ActivationKind::relu;
};

struct Add {};       // two inputs of one shape
struct Multiply {};  // two inputs; the second may be channels × 1 × 1 (squeeze-excite)
struct Concat {};    // two or more inputs, along channels

// How the source wrote a pool, which decides how the published profiler counted it (facts 002 A.5):
// of averages, window + 1 operations per output of an adaptive module, 1 of another module, 0 of a
// function. Functions are not listed among the layers.
enum class PoolStyle { module, adaptive_module, functional };

enum class PoolKind { max, average };
struct Pool {
  PoolKind kind = PoolKind::max;
  std::array<int, 2> kernel{1, 1};
  std::array<int, 2> stride{1, 1};
  Padding padding{};
  bool ceil_mode = false;
  bool count_include_pad = true;
  PoolStyle style = PoolStyle::module;
};

// Mean over height and width → channels × 1 × 1.
struct GlobalAveragePool {
  PoolStyle style = PoolStyle::functional;
};

// ResNet's parameter-free shortcut "A" (He 2015, section 4.2): every stride-th row and column, then
// zero channels before and after. The authors of the shared CIFAR weights split them evenly.
struct ZeroPadShortcut {
  int stride = 2;
  std::int64_t channels_before = 0;
  std::int64_t channels_after = 0;
};

struct Flatten {};  // C×H×W → (C·H·W)×1×1
struct Dropout {
  double probability = 0.5;
};

using Attributes = std::variant<Input, Convolution, Linear, BatchNorm, Activation, Add, Multiply,
                                Concat, Pool, GlobalAveragePool, ZeroPadShortcut, Flatten, Dropout>;

struct Node {
  std::string name;  // unique; layers as in the reference implementations ("layer1.0.conv1")
  Attributes attributes;
  std::vector<NodeId> inputs;
  Shape output;  // inferred when the node is added

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&attributes);
  }
  bool has_weight() const { return as<Convolution>() != nullptr || as<Linear>() != nullptr; }
};

// "conv", "linear", "batch_norm", "relu", "add", … for listings and errors.
std::string_view op_name(const Node& node);

// A directed acyclic graph in execution order. The output of the last node is the network's output.
class Graph {
 public:
  explicit Graph(std::string name) : name_(std::move(name)) {}

  // The one input, before every other node. Throws ConfigError.
  NodeId add_input(std::string name, Shape shape);
  // Infers the output shape. Throws ConfigError naming node and shapes where they do not fit, or
  // where the name is taken; InternalError for an input that is no earlier node.
  NodeId add(std::string name, Attributes attributes, std::vector<NodeId> inputs);

  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_.at(static_cast<std::size_t>(id)); }
  NodeId find(std::string_view name) const;  // -1 where there is none
  NodeId output() const { return static_cast<NodeId>(nodes_.size()) - 1; }
  // Nodes that read the output of `id`, in execution order.
  std::vector<NodeId> users(NodeId id) const;
  std::int64_t num_classes() const { return node(output()).output.channels; }

  // What the entries of lists of widths address; default_bit_map() where the network does not say.
  BitMap bit_map() const { return bit_map_ ? *bit_map_ : default_bit_map(*this); }
  const std::optional<BitMap>& stated_bit_map() const { return bit_map_; }
  // Every layer has an entry and every entry exists; InternalError otherwise.
  void set_bit_map(BitMap bits);

 private:
  std::string name_;
  std::vector<Node> nodes_;
  std::optional<BitMap> bit_map_;
};

// The tensors that a graph's values live in, in execution order: names as in PyTorch state
// dictionaries ("conv1.weight", "bn1.running_mean").
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  NodeId node = -1;
  bool trainable = true;  // false: a buffer (running statistics)
  std::int64_t elements() const;
};
std::vector<TensorSpec> tensor_specs(const Graph& graph);

}  // namespace bitsweep::graph
