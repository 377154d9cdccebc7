#include "models/onnx_network.h"

#include <onnx.pb.h>

#include <algorithm>
#include <functional>

#include "core/file.h"
#include "core/text.h"
#include "models/onnx_importer.h"

namespace bitsweep::models {
namespace {

constexpr std::uint64_t kMaxFile = (1ull << 31) - 1;  // protobuf's own limit
constexpr std::int64_t kFirstOpset = 7;               // before it, broadcasting had attributes

}  // namespace

using graph::NodeId;
using graph::Shape;
using onnx::NodeProto;

std::string said(const NodeProto& node) {
  const std::string name = !node.name().empty()     ? node.name()
                           : node.output_size() > 0 ? node.output(0)
                                                    : "";
  return fmt::format("node '{}' ({})", name, node.op_type());
}

OnnxImporter::OnnxImporter(const onnx::ModelProto& model, std::string name)
    : proto_(model.graph()), graph_(std::move(name)) {}

OnnxNetwork OnnxImporter::run() {
  for (const onnx::TensorProto& tensor : proto_.initializer()) {
    constants_[tensor.name()] = read_constant(tensor, tensor.name());
  }
  add_input();
  find_needed();
  for (const NodeProto* node : needed_) convert(*node);
  const std::string& output = proto_.output(0).name();
  if (!nodes_.contains(output) || nodes_[output] != graph_.output()) {
    refuse(fmt::format("output '{}' is not what the last node makes", output));
  }
  const Shape shape = graph_.node(graph_.output()).output;
  if (shape.height != 1 || shape.width != 1) {
    refuse(fmt::format("output '{}' is {} x {} x {}, expected a vector of logits", output,
                       shape.channels, shape.height, shape.width));
  }
  graph::Parameters weights(graph_);
  for (const graph::TensorSpec& spec : weights.specs()) {
    std::ranges::copy(values_.at(spec.name), weights.values(spec.name).begin());
  }
  return {std::move(graph_), std::move(weights)};
}

void OnnxImporter::add_input() {
  const onnx::ValueInfoProto* input = nullptr;
  for (const onnx::ValueInfoProto& value : proto_.input()) {
    if (constants_.contains(value.name())) continue;  // older files list weights as inputs
    if (input != nullptr) {
      refuse(
          fmt::format("has inputs '{}' and '{}'; expected one image", input->name(), value.name()));
    }
    input = &value;
  }
  if (input == nullptr || proto_.output_size() != 1) {
    refuse(fmt::format("has {} inputs and {} outputs; expected one of each",
                       input == nullptr ? 0 : 1, proto_.output_size()));
  }
  const onnx::TensorShapeProto& shape = input->type().tensor_type().shape();
  std::vector<std::int64_t> sizes;
  for (const auto& dimension : shape.dim()) {
    sizes.push_back(dimension.has_dim_value() ? dimension.dim_value() : 0);
  }
  constexpr std::int64_t kMost = 1 << 16;
  const bool good =
      sizes.size() == 4 && std::all_of(sizes.begin() + 1, sizes.end(),
                                       [](std::int64_t n) { return n >= 1 && n <= kMost; });
  if (!good) {
    refuse(
        fmt::format("input '{}' is [{}]; expected [images, channels, height, width] with the "
                    "last three given",
                    input->name(), fmt::join(sizes, ", ")));
  }
  nodes_[input->name()] = graph_.add_input("input", {sizes[1], sizes[2], sizes[3]});
}

void OnnxImporter::find_needed() {
  std::set<std::string> wanted = {proto_.output(0).name()};
  for (auto it = proto_.node().rbegin(); it != proto_.node().rend(); ++it) {
    for (const std::string& output : it->output()) {
      if (!wanted.contains(output)) continue;
      wanted.insert(it->input().begin(), it->input().end());
      needed_.push_back(&*it);
      break;
    }
  }
  std::ranges::reverse(needed_);
  for (const NodeProto* node : needed_) {
    for (const std::string& input : node->input()) users_[input].push_back(node);
  }
}

const std::string& OnnxImporter::input_name(const NodeProto& node, int i) const {
  if (i >= node.input_size()) refuse(node, "lacks input {}", i);
  return node.input(i);
}

bool OnnxImporter::has_input(const NodeProto& node, int i) const {
  return i < node.input_size() && !node.input(i).empty();
}

bool OnnxImporter::is_constant(const NodeProto& node, int i) const {
  return has_input(node, i) && constants_.contains(node.input(i));
}

const OnnxConstant& OnnxImporter::constant(const NodeProto& node, int i) const {
  const auto it = constants_.find(input_name(node, i));
  if (it == constants_.end()) {
    refuse(node, "input '{}' is computed, expected a constant", node.input(i));
  }
  return it->second;
}

const OnnxConstant& OnnxImporter::reals(const NodeProto& node, int i) const {
  const OnnxConstant& out = constant(node, i);
  if (!out.is_real) refuse(node, "constant '{}' is not float32", out.name);
  return out;
}

NodeId OnnxImporter::value(const NodeProto& node, int i) const {
  const auto it = nodes_.find(input_name(node, i));
  if (it == nodes_.end()) refuse(node, "input '{}' is not computed before it", node.input(i));
  return it->second;
}

std::string OnnxImporter::name_for(const NodeProto& node, const OnnxConstant* hint) {
  constexpr std::string_view kWeight = ".weight";
  std::string name = node.name();
  if (hint != nullptr && hint->name.ends_with(kWeight)) {
    name = hint->name.substr(0, hint->name.size() - kWeight.size());
  }
  name.erase(0, name.find_first_not_of('/'));
  std::ranges::replace(name, '/', '.');
  if (name.empty()) name = fmt::format("{}_{}", node.op_type(), graph_.nodes().size());
  std::string out = name;
  for (int i = 2; graph_.find(out) >= 0; ++i) out = fmt::format("{}_{}", name, i);
  return out;
}

void OnnxImporter::define(const NodeProto& node, NodeId id) {
  if (node.output_size() < 1) refuse(node, "has no output");
  nodes_[node.output(0)] = id;
}

NodeId OnnxImporter::add(const NodeProto& node, graph::Attributes attributes,
                         std::vector<NodeId> inputs, const OnnxConstant* hint) {
  const std::string name = name_for(node, hint);
  NodeId id = -1;
  try {
    id = graph_.add(name, std::move(attributes), std::move(inputs));
  } catch (const ConfigError& error) {
    refuse(node, "{}", error.what());
  }
  define(node, id);
  return id;
}

void OnnxImporter::set(NodeId id, const char* tensor, std::vector<float> values) {
  values_[graph_.node(id).name + tensor] = std::move(values);
}

int OnnxImporter::small(const NodeProto& node, const char* what, std::int64_t value,
                        std::int64_t least) const {
  constexpr std::int64_t kMost = 1 << 16;
  if (value < least || value > kMost) refuse(node, "{} {}", what, value);
  return static_cast<int>(value);
}

std::array<int, 2> OnnxImporter::pair(const NodeProto& node, const char* name,
                                      std::vector<std::int64_t> otherwise) const {
  const auto list = integers(node, name, std::move(otherwise));
  if (list.size() != 2) refuse(node, "{} has {} entries, expected 2", name, list.size());
  return {small(node, name, list[0], 1), small(node, name, list[1], 1)};
}

void OnnxImporter::convert(const NodeProto& node) {
  using Convert = std::function<void(OnnxImporter&, const NodeProto&)>;
  static const std::map<std::string, Convert, std::less<>> kKnown = {
      {"Add", &OnnxImporter::add_values},
      {"AveragePool",
       [](OnnxImporter& in, const NodeProto& n) { in.pool(n, graph::PoolKind::average); }},
      {"BatchNormalization", &OnnxImporter::batch_norm},
      {"Clip", &OnnxImporter::clip},
      {"Concat", &OnnxImporter::concat},
      {"Constant", &OnnxImporter::constant_node},
      {"Conv", &OnnxImporter::convolution},
      {"Dropout", &OnnxImporter::dropout},
      {"Flatten", &OnnxImporter::flatten},
      {"Gemm", &OnnxImporter::gemm},
      {"GlobalAveragePool",
       [](OnnxImporter& in, const NodeProto& n) {
         in.add(n, graph::GlobalAveragePool{}, {in.value(n, 0)});
       }},
      {"HardSigmoid", &OnnxImporter::hard_sigmoid},
      {"HardSwish",
       [](OnnxImporter& in, const NodeProto& n) {
         in.activation(n, graph::ActivationKind::hard_swish);
       }},
      {"Identity", &OnnxImporter::identity},
      {"MatMul", &OnnxImporter::matrix_product},
      {"MaxPool", [](OnnxImporter& in, const NodeProto& n) { in.pool(n, graph::PoolKind::max); }},
      {"Mul", &OnnxImporter::multiply},
      {"Pad", &OnnxImporter::pad},
      {"ReduceMean", &OnnxImporter::mean},
      {"Relu",
       [](OnnxImporter& in, const NodeProto& n) { in.activation(n, graph::ActivationKind::relu); }},
      {"Reshape", &OnnxImporter::reshape},
      {"Shape", &OnnxImporter::shape_of},
      {"Slice", &OnnxImporter::slice},
  };
  if (fold_integers(node)) return;
  const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
  const auto it = kKnown.find(node.op_type());
  if (!standard || it == kKnown.end()) {
    std::vector<std::string> names;
    for (const auto& [name, convert] : kKnown) names.push_back(name);
    refuse(node, "{} is not among the operators that are known: {}",
           standard ? node.op_type() : fmt::format("{}.{}", node.domain(), node.op_type()),
           join(names, ", "));
  }
  it->second(*this, node);
}

OnnxNetwork read_onnx(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_binary_file(path, kMaxFile);
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !model.has_graph()) {
    throw DataError(fmt::format("{}: is no ONNX file, or a damaged one", path.string()));
  }
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    if (set.domain().empty() && set.version() < kFirstOpset) {
      throw ConfigError(fmt::format("model.file {}: operator set {}; expected {} or later",
                                    path.filename().string(), set.version(), kFirstOpset));
    }
  }
  try {
    return OnnxImporter(model, path.filename().string()).run();
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace bitsweep::models
