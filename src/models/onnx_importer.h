// What reads an ONNX graph, node by node (models/onnx_network.h): onnx_network.cpp holds the way
// through a file, onnx_layers.cpp the operators that become layers, onnx_shapes.cpp those that
// only move, name or compute shapes. Not for callers outside this room.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "graph/graph.h"
#include "models/onnx_network.h"
#include "models/onnx_values.h"

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace bitsweep::models {

// "node 'NAME' (Conv)".
std::string said(const onnx::NodeProto& node);

class OnnxImporter {
 public:
  using NodeId = graph::NodeId;
  using Shape = graph::Shape;
  using NodeProto = onnx::NodeProto;

  // name: of the file, for messages and the graph. `model` must outlive this object.
  OnnxImporter(const onnx::ModelProto& model, std::string name);

  // Throws ConfigError naming file and node for what is not understood, DataError for damage.
  OnnxNetwork run();

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw ConfigError(fmt::format("model.file {}: {}", graph_.name(), what));
  }
  template <typename... Args>
  [[noreturn]] void refuse(const NodeProto& node, fmt::format_string<Args...> format,
                           Args&&... args) const {
    refuse(fmt::format("{}: {}", said(node), fmt::format(format, std::forward<Args>(args)...)));
  }

  // --- the graph's edges ---
  void add_input();

  // needed_: the nodes that the output needs, in order.
  void find_needed();

  const std::string& input_name(const NodeProto& node, int i) const;
  bool has_input(const NodeProto& node, int i) const;
  bool is_constant(const NodeProto& node, int i) const;
  const OnnxConstant& constant(const NodeProto& node, int i) const;
  const OnnxConstant& reals(const NodeProto& node, int i) const;
  NodeId value(const NodeProto& node, int i) const;
  const Shape& shape(NodeId id) const { return graph_.node(id).output; }

  // --- building ---
  // `hint`: the initializer of its weight, or nullptr.
  std::string name_for(const NodeProto& node, const OnnxConstant* hint);
  void define(const NodeProto& node, NodeId id);
  NodeId add(const NodeProto& node, graph::Attributes attributes, std::vector<NodeId> inputs,
             const OnnxConstant* hint = nullptr);
  void set(NodeId id, const char* tensor, std::vector<float> values);

  // --- attributes ---
  int small(const NodeProto& node, const char* what, std::int64_t value, std::int64_t least) const;
  std::array<int, 2> pair(const NodeProto& node, const char* name,
                          std::vector<std::int64_t> otherwise) const;
  graph::Padding padding(const NodeProto& node, const Shape& in, std::array<int, 2> kernel,
                         std::array<int, 2> stride, std::array<int, 2> dilation) const;

  // --- operators ---
  void convolution(const NodeProto& node);

  // A constant of `size` elements.
  std::vector<float> vector(const NodeProto& node, int i, std::int64_t size) const;
  void batch_norm(const NodeProto& node);

  // weight: [in, out] or, transposed, [out, in].
  void linear(const NodeProto& node, const OnnxConstant& weight, bool transposed,
              std::vector<float> bias);
  void gemm(const NodeProto& node);

  // With the Add of a constant that alone reads it, a layer with biases.
  void matrix_product(const NodeProto& node);
  void add_values(const NodeProto& node);
  void multiply(const NodeProto& node);
  void concat(const NodeProto& node);

  // An average of the whole image is the global one, whatever its kernel is called.
  static bool is_global(const graph::Pool& pool, const Shape& in);
  void pool(const NodeProto& node, graph::PoolKind kind);
  void mean(const NodeProto& node);
  void clip(const NodeProto& node);
  void hard_sigmoid(const NodeProto& node);
  void activation(const NodeProto& node, graph::ActivationKind kind);
  void flatten(const NodeProto& node);
  void reshape(const NodeProto& node);

  // [images, features] or [images, channels, height, width]; the first is not in the file.
  void shape_of(const NodeProto& node);
  bool is_vector(NodeId id) const;
  void define_integers(const NodeProto& node, std::vector<std::int64_t> sizes,
                       std::vector<std::int64_t> values);

  // Every so many rows and columns, from the first on: half of a shortcut without weights, whose
  // Pad of channels follows.
  void slice(const NodeProto& node);

  // Channels of zeros: a shortcut without weights.
  bool pads_channels(const NodeProto& node, const std::vector<std::int64_t>& pads);

  // Zeros around an image become part of the convolutions that read it.
  void pad(const NodeProto& node);
  void dropout(const NodeProto& node);
  void constant_node(const NodeProto& node);
  void identity(const NodeProto& node);

  // Arithmetic of shapes and paddings; false where the node reads anything else.
  bool fold_integers(const NodeProto& node);
  void convert(const NodeProto& node);

  const onnx::GraphProto& proto_;
  graph::Graph graph_;
  std::map<std::string, OnnxConstant> constants_;
  std::map<std::string, NodeId> nodes_;  // by the name of the value
  std::map<std::string, graph::Padding> pads_;
  std::map<std::string, std::array<int, 2>> steps_;   // of rows and columns that a Slice takes
  std::map<std::string, std::vector<float>> values_;  // by the name of the tensor
  std::vector<const NodeProto*> needed_;
  std::map<std::string, std::vector<const NodeProto*>> users_;
  std::set<const NodeProto*> absorbed_;
};

}  // namespace bitsweep::models
