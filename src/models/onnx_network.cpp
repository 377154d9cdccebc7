#include "models/onnx_network.h"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "models/onnx_integers.h"
#include "models/onnx_values.h"

namespace bitsweep::models {
namespace {

using graph::NodeId;
using graph::Shape;
using onnx::NodeProto;

constexpr std::uint64_t kMaxFile = (1ull << 31) - 1;  // protobuf's own limit
constexpr std::int64_t kFirstOpset = 7;               // before it, broadcasting had attributes

std::string said(const NodeProto& node) {
  const std::string name = !node.name().empty()     ? node.name()
                           : node.output_size() > 0 ? node.output(0)
                                                    : "";
  return fmt::format("node '{}' ({})", name, node.op_type());
}

class Importer {
 public:
  Importer(const onnx::ModelProto& model, std::string name)
      : proto_(model.graph()), graph_(std::move(name)) {}

  OnnxNetwork run() {
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
  void add_input() {
    const onnx::ValueInfoProto* input = nullptr;
    for (const onnx::ValueInfoProto& value : proto_.input()) {
      if (constants_.contains(value.name())) continue;  // older files list weights as inputs
      if (input != nullptr) {
        refuse(fmt::format("has inputs '{}' and '{}'; expected one image", input->name(),
                           value.name()));
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

  // needed_: the nodes that the output needs, in order.
  void find_needed() {
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

  const std::string& input_name(const NodeProto& node, int i) const {
    if (i >= node.input_size()) refuse(node, "lacks input {}", i);
    return node.input(i);
  }
  bool has_input(const NodeProto& node, int i) const {
    return i < node.input_size() && !node.input(i).empty();
  }
  bool is_constant(const NodeProto& node, int i) const {
    return has_input(node, i) && constants_.contains(node.input(i));
  }
  const OnnxConstant& constant(const NodeProto& node, int i) const {
    const auto it = constants_.find(input_name(node, i));
    if (it == constants_.end()) {
      refuse(node, "input '{}' is computed, expected a constant", node.input(i));
    }
    return it->second;
  }
  const OnnxConstant& reals(const NodeProto& node, int i) const {
    const OnnxConstant& out = constant(node, i);
    if (!out.is_real) refuse(node, "constant '{}' is not float32", out.name);
    return out;
  }
  NodeId value(const NodeProto& node, int i) const {
    const auto it = nodes_.find(input_name(node, i));
    if (it == nodes_.end()) refuse(node, "input '{}' is not computed before it", node.input(i));
    return it->second;
  }
  const Shape& shape(NodeId id) const { return graph_.node(id).output; }

  // --- building ---
  // `hint`: the initializer of its weight, or nullptr.
  std::string name_for(const NodeProto& node, const OnnxConstant* hint) {
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
  void define(const NodeProto& node, NodeId id) {
    if (node.output_size() < 1) refuse(node, "has no output");
    nodes_[node.output(0)] = id;
  }
  NodeId add(const NodeProto& node, graph::Attributes attributes, std::vector<NodeId> inputs,
             const OnnxConstant* hint = nullptr) {
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
  void set(NodeId id, const char* tensor, std::vector<float> values) {
    values_[graph_.node(id).name + tensor] = std::move(values);
  }

  // --- attributes ---
  int small(const NodeProto& node, const char* what, std::int64_t value, std::int64_t least) const {
    constexpr std::int64_t kMost = 1 << 16;
    if (value < least || value > kMost) refuse(node, "{} {}", what, value);
    return static_cast<int>(value);
  }
  std::array<int, 2> pair(const NodeProto& node, const char* name,
                          std::vector<std::int64_t> otherwise) const {
    const auto list = integers(node, name, std::move(otherwise));
    if (list.size() != 2) refuse(node, "{} has {} entries, expected 2", name, list.size());
    return {small(node, name, list[0], 1), small(node, name, list[1], 1)};
  }
  graph::Padding padding(const NodeProto& node, const Shape& in, std::array<int, 2> kernel,
                         std::array<int, 2> stride, std::array<int, 2> dilation) const {
    const std::string automatic = text(node, "auto_pad", "NOTSET");
    if (automatic == "VALID") return {};
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const auto before_and_after = [&](std::int64_t size, int axis) {
        const auto a = static_cast<std::size_t>(axis);
        const std::int64_t out = (size + stride[a] - 1) / stride[a];
        const std::int64_t window = std::int64_t{dilation[a]} * (kernel[a] - 1) + 1;
        const auto total =
            static_cast<int>(std::max<std::int64_t>((out - 1) * stride[a] + window - size, 0));
        const int smaller = total / 2;
        const int larger = total - smaller;
        return automatic == "SAME_UPPER" ? std::pair(smaller, larger) : std::pair(larger, smaller);
      };
      const auto [top, bottom] = before_and_after(in.height, 0);
      const auto [left, right] = before_and_after(in.width, 1);
      return {top, left, bottom, right};
    }
    const auto list = integers(node, "pads", {0, 0, 0, 0});
    if (automatic != "NOTSET" || list.size() != 4) {
      refuse(node, "auto_pad {} with {} pads", automatic, list.size());
    }
    return {small(node, "pads", list[0], 0), small(node, "pads", list[1], 0),
            small(node, "pads", list[2], 0), small(node, "pads", list[3], 0)};
  }

  // --- operators ---
  void convolution(const NodeProto& node) {
    const OnnxConstant& weight = reals(node, 1);
    if (weight.shape.size() != 4)
      refuse(node, "its weight has {} axes, expected 4", weight.shape.size());
    const NodeId in = value(node, 0);
    graph::Convolution out;
    out.groups = small(node, "group", integer(node, "group", 1), 1);
    out.out_channels = weight.shape[0];
    out.in_channels = weight.shape[1] * out.groups;
    out.kernel = {small(node, "kernel", weight.shape[2], 1),
                  small(node, "kernel", weight.shape[3], 1)};
    if (pair(node, "kernel_shape", {weight.shape[2], weight.shape[3]}) != out.kernel) {
      refuse(node, "kernel_shape is not that of its weight");
    }
    out.stride = pair(node, "strides", {1, 1});
    out.dilation = pair(node, "dilations", {1, 1});
    out.padding = padding(node, shape(in), out.kernel, out.stride, out.dilation);
    if (const auto it = pads_.find(node.input(0)); it != pads_.end()) {
      out.padding.top += it->second.top;
      out.padding.left += it->second.left;
      out.padding.bottom += it->second.bottom;
      out.padding.right += it->second.right;
    }
    out.bias = has_input(node, 2);
    const NodeId id = add(node, out, {in}, &weight);
    set(id, ".weight", weight.reals);
    if (out.bias) set(id, ".bias", vector(node, 2, out.out_channels));
  }

  // A constant of `size` elements.
  std::vector<float> vector(const NodeProto& node, int i, std::int64_t size) const {
    const OnnxConstant& out = reals(node, i);
    if (out.elements() != size) {
      refuse(node, "constant '{}' has {} elements, expected {}", out.name, out.elements(), size);
    }
    return out.reals;
  }

  void batch_norm(const NodeProto& node) {
    if (integer(node, "training_mode", 0) != 0) refuse(node, "is in training mode");
    const NodeId in = value(node, 0);
    const std::int64_t channels = shape(in).channels;
    graph::BatchNorm out;
    out.features = channels;
    out.eps = real(node, "epsilon", 1e-5F);
    // The attribute is a float32: 1e-5 as PyTorch means it.
    if (static_cast<float>(out.eps) == 1e-5F) out.eps = 1e-5;
    const OnnxConstant& weight = reals(node, 1);
    const NodeId id = add(node, out, {in}, &weight);
    const char* const names[] = {".weight", ".bias", ".running_mean", ".running_var"};
    for (int i = 0; i < 4; ++i) set(id, names[i], vector(node, i + 1, channels));
  }

  // weight: [in, out] or, transposed, [out, in].
  void linear(const NodeProto& node, const OnnxConstant& weight, bool transposed,
              std::vector<float> bias) {
    if (weight.shape.size() != 2)
      refuse(node, "its weight has {} axes, expected 2", weight.shape.size());
    const NodeId in = value(node, 0);
    graph::Linear out;
    out.in_features = weight.shape[transposed ? 1 : 0];
    out.out_features = weight.shape[transposed ? 0 : 1];
    out.bias = !bias.empty();
    std::vector<float> values = weight.reals;
    for (std::int64_t o = 0; !transposed && o < out.out_features; ++o) {
      for (std::int64_t i = 0; i < out.in_features; ++i) {
        values[static_cast<std::size_t>(o * out.in_features + i)] =
            weight.reals[static_cast<std::size_t>(i * out.out_features + o)];
      }
    }
    const NodeId id = add(node, out, {in}, &weight);
    set(id, ".weight", std::move(values));
    if (out.bias) set(id, ".bias", std::move(bias));
  }

  void gemm(const NodeProto& node) {
    if (real(node, "alpha", 1) != 1 || real(node, "beta", 1) != 1 ||
        integer(node, "transA", 0) != 0) {
      refuse(node, "expected alpha = beta = 1 and transA = 0");
    }
    const OnnxConstant& weight = reals(node, 1);
    const bool transposed = integer(node, "transB", 0) != 0;
    if (weight.shape.size() != 2)
      refuse(node, "its weight has {} axes, expected 2", weight.shape.size());
    const std::int64_t outputs = weight.shape[transposed ? 0 : 1];
    linear(node, weight, transposed,
           has_input(node, 2) ? vector(node, 2, outputs) : std::vector<float>());
  }

  // With the Add of a constant that alone reads it, a layer with biases.
  void matrix_product(const NodeProto& node) {
    const OnnxConstant& weight = reals(node, 1);
    std::vector<float> bias;
    const auto& users = users_[node.output(0)];
    if (users.size() == 1 && users[0]->op_type() == "Add" && users[0]->input_size() == 2) {
      const NodeProto& sum = *users[0];
      const int other = sum.input(0) == node.output(0) ? 1 : 0;
      if (is_constant(sum, other) && weight.shape.size() == 2) {
        bias = vector(sum, other, weight.shape[1]);
        absorbed_.insert(&sum);
      }
    }
    linear(node, weight, false, std::move(bias));
  }

  void add_values(const NodeProto& node) {
    if (absorbed_.contains(&node)) {
      define(node, value(node, is_constant(node, 0) ? 1 : 0));
      return;
    }
    if (is_constant(node, 0) || is_constant(node, 1)) {
      refuse(node, "adds a constant; only the biases of a MatMul are");
    }
    add(node, graph::Add{}, {value(node, 0), value(node, 1)});
  }

  void multiply(const NodeProto& node) {
    if (is_constant(node, 0) || is_constant(node, 1)) refuse(node, "multiplies by a constant");
    NodeId image = value(node, 0);
    NodeId gate = value(node, 1);
    if (shape(image).elements() < shape(gate).elements()) std::swap(image, gate);
    add(node, graph::Multiply{}, {image, gate});
  }

  void concat(const NodeProto& node) {
    const std::int64_t axis = integer(node, "axis", 1);
    if (axis != 1 && axis != -3) refuse(node, "axis {}, expected channels (1)", axis);
    std::vector<NodeId> inputs;
    for (int i = 0; i < node.input_size(); ++i) inputs.push_back(value(node, i));
    add(node, graph::Concat{}, std::move(inputs));
  }

  // An average of the whole image is the global one, whatever its kernel is called.
  static bool is_global(const graph::Pool& pool, const Shape& in) {
    return pool.kind == graph::PoolKind::average && pool.padding == graph::Padding{} &&
           pool.kernel[0] == in.height && pool.kernel[1] == in.width;
  }

  void pool(const NodeProto& node, graph::PoolKind kind) {
    if (pair(node, "dilations", {1, 1}) != std::array{1, 1}) refuse(node, "has dilations");
    const NodeId in = value(node, 0);
    graph::Pool out;
    out.kind = kind;
    out.kernel = pair(node, "kernel_shape", {});
    out.stride = pair(node, "strides", {1, 1});
    out.padding = padding(node, shape(in), out.kernel, out.stride, {1, 1});
    out.ceil_mode = integer(node, "ceil_mode", 0) != 0;
    out.count_include_pad = integer(node, "count_include_pad", 0) != 0;
    if (is_global(out, shape(in))) {
      add(node, graph::GlobalAveragePool{}, {in});
    } else {
      add(node, out, {in});
    }
  }

  void mean(const NodeProto& node) {
    std::vector<std::int64_t> axes =
        is_constant(node, 1) ? constant(node, 1).integers : integers(node, "axes", {});
    for (std::int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
    std::ranges::sort(axes);
    if (axes != std::vector<std::int64_t>{2, 3}) {
      refuse(node, "over axes [{}], expected height and width (2, 3)", fmt::join(axes, ", "));
    }
    add(node, graph::GlobalAveragePool{}, {value(node, 0)});
  }

  void clip(const NodeProto& node) {
    constexpr float kNone = std::numeric_limits<float>::max();
    const auto bound = [&](int i, const char* name, float otherwise) {
      if (!has_input(node, i)) return real(node, name, otherwise);
      return vector(node, i, 1)[0];
    };
    const float low = bound(1, "min", -kNone);
    const float high = bound(2, "max", kNone);
    if (low != 0 || (high != 6 && high != kNone)) {
      refuse(node, "clips to {} … {}; expected 0 … 6 (ReLU6) or 0 … (ReLU)", low, high);
    }
    activation(node, high == 6 ? graph::ActivationKind::relu6 : graph::ActivationKind::relu);
  }

  void hard_sigmoid(const NodeProto& node) {
    const float alpha = real(node, "alpha", 0.2F);
    const float beta = real(node, "beta", 0.5F);
    if (std::abs(alpha - 1.0F / 6) > 1e-6F || beta != 0.5F) {
      refuse(node, "has slope {} and offset {}; expected 1/6 and 1/2", alpha, beta);
    }
    activation(node, graph::ActivationKind::hard_sigmoid);
  }

  void activation(const NodeProto& node, graph::ActivationKind kind) {
    add(node, graph::Activation{kind}, {value(node, 0)});
  }

  void flatten(const NodeProto& node) {
    const std::int64_t axis = integer(node, "axis", 1);
    if (axis != 1 && axis != -3) refuse(node, "from axis {}, expected 1", axis);
    add(node, graph::Flatten{}, {value(node, 0)});
  }

  void reshape(const NodeProto& node) {
    const std::vector<std::int64_t>& to = constant(node, 1).integers;
    const NodeId in = value(node, 0);
    if (to.size() != 2 || (to[1] != -1 && to[1] != shape(in).elements())) {
      refuse(node, "to [{}]; only flattening to [images, {}] is known", fmt::join(to, ", "),
             shape(in).elements());
    }
    add(node, graph::Flatten{}, {in});
  }

  // [images, features] or [images, channels, height, width]; the first is not in the file.
  void shape_of(const NodeProto& node) {
    if (is_constant(node, 0)) {
      const std::vector<std::int64_t>& sizes = constant(node, 0).shape;
      define_integers(node, {static_cast<std::int64_t>(sizes.size())}, sizes);
      return;
    }
    const NodeId of = value(node, 0);
    std::vector<std::int64_t> sizes = {kNumberOfImages, shape(of).channels};
    if (!is_vector(of)) {
      sizes.push_back(shape(of).height);
      sizes.push_back(shape(of).width);
    }
    define_integers(node, {static_cast<std::int64_t>(sizes.size())}, sizes);
  }
  bool is_vector(NodeId id) const {
    const graph::Node& node = graph_.node(id);
    if (node.as<graph::Activation>() != nullptr || node.as<graph::Dropout>() != nullptr) {
      return is_vector(node.inputs[0]);
    }
    return node.as<graph::Flatten>() != nullptr || node.as<graph::Linear>() != nullptr;
  }
  void define_integers(const NodeProto& node, std::vector<std::int64_t> sizes,
                       std::vector<std::int64_t> values) {
    if (node.output_size() < 1) refuse(node, "has no output");
    constants_[node.output(0)] = {node.output(0), std::move(sizes), {}, std::move(values), false};
  }

  // Every so many rows and columns, from the first on: half of a shortcut without weights, whose
  // Pad of channels follows.
  void slice(const NodeProto& node) {
    const auto list = [&](int i, const char* name) {
      return has_input(node, i) ? constant(node, i).integers : integers(node, name, {});
    };
    const auto starts = list(1, "starts"), ends = list(2, "ends");
    auto axes = list(3, "axes"), steps = list(4, "steps");
    const NodeId in = value(node, 0);
    if (axes.empty()) {
      for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    }
    if (steps.empty()) steps.assign(starts.size(), 1);
    if (starts.size() != ends.size() || starts.size() != axes.size() ||
        starts.size() != steps.size()) {
      refuse(node, "has {} starts, {} ends, {} axes and {} steps", starts.size(), ends.size(),
             axes.size(), steps.size());
    }
    const auto before = steps_.find(node.input(0));
    std::array<int, 2> taken = before == steps_.end() ? std::array{1, 1} : before->second;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
      const bool spatial = axis == 2 || axis == 3;
      const std::int64_t size = axis == 2 ? shape(in).height : shape(in).width;
      const bool whole = starts[i] == 0 && ends[i] >= size;
      if (!spatial || !whole || taken[static_cast<std::size_t>(axis - 2)] != 1) {
        refuse(node, "takes {} … {} of axis {}; expected every so many rows and columns of all",
               starts[i], ends[i], axes[i]);
      }
      taken[static_cast<std::size_t>(axis - 2)] = small(node, "step", steps[i], 1);
    }
    for (const NodeProto* user : users_[node.output(0)]) {
      if (user->op_type() != "Slice" && user->op_type() != "Pad") {
        refuse(node, "is read by {}; expected a Pad of channels", said(*user));
      }
    }
    steps_[node.output(0)] = taken;
    define(node, in);
  }

  // Channels of zeros: a shortcut without weights.
  bool pads_channels(const NodeProto& node, const std::vector<std::int64_t>& pads) {
    const auto sliced = steps_.find(node.input(0));
    const auto is_zero = [&](std::size_t i) { return pads[i] == 0; };
    const bool channels = pads.size() == 8 && is_zero(0) && is_zero(2) && is_zero(3) &&
                          is_zero(4) && is_zero(6) && is_zero(7) && (pads[1] > 0 || pads[5] > 0);
    if (!channels) {
      if (sliced != steps_.end()) {
        refuse(node, "pads [{}] behind a Slice; expected channels alone", fmt::join(pads, ", "));
      }
      return false;
    }
    const std::array<int, 2> steps = sliced == steps_.end() ? std::array{1, 1} : sliced->second;
    if (steps[0] != steps[1]) {
      refuse(node, "behind steps of {} rows and {} columns, expected the same", steps[0], steps[1]);
    }
    add(node,
        graph::ZeroPadShortcut{steps[0], small(node, "pads", pads[1], 0),
                               small(node, "pads", pads[5], 0)},
        {value(node, 0)});
    return true;
  }

  // Zeros around an image become part of the convolutions that read it.
  void pad(const NodeProto& node) {
    std::vector<std::int64_t> pads =
        is_constant(node, 1) ? constant(node, 1).integers : integers(node, "pads", {});
    const float fill = has_input(node, 2) ? vector(node, 2, 1)[0] : real(node, "value", 0);
    if (text(node, "mode", "constant") != "constant" || fill != 0) {
      refuse(node, "pads with something else than zeros");
    }
    if (pads_channels(node, pads)) return;
    const bool spatial = pads.size() == 8 && pads[0] == 0 && pads[1] == 0 && pads[4] == 0 &&
                         pads[5] == 0 && std::ranges::all_of(pads, [](auto n) { return n >= 0; });
    if (!spatial)
      refuse(node, "pads [{}]; expected height and width, or channels", fmt::join(pads, ", "));
    for (const NodeProto* user : users_[node.output(0)]) {
      if (user->op_type() != "Conv" || text(*user, "auto_pad", "NOTSET") != "NOTSET") {
        refuse(node, "is read by {}; expected convolutions alone", said(*user));
      }
    }
    pads_[node.output(0)] = {small(node, "pads", pads[2], 0), small(node, "pads", pads[3], 0),
                             small(node, "pads", pads[6], 0), small(node, "pads", pads[7], 0)};
    define(node, value(node, 0));
  }

  void dropout(const NodeProto& node) {
    const double ratio = is_constant(node, 1) ? vector(node, 1, 1)[0] : real(node, "ratio", 0.5F);
    add(node, graph::Dropout{ratio}, {value(node, 0)});
  }

  void constant_node(const NodeProto& node) {
    if (node.output_size() < 1) refuse(node, "has no output");
    const std::string& name = node.output(0);
    OnnxConstant out{name, {}, {}, {}, false};
    if (const auto* tensor = find_attribute(node, "value")) {
      out = read_constant(tensor->t(), name);
    } else if (const auto* number = find_attribute(node, "value_float")) {
      out.is_real = true;
      out.reals = {number->f()};
    } else if (const auto* list = find_attribute(node, "value_ints")) {
      out.integers = {list->ints().begin(), list->ints().end()};
      out.shape = {static_cast<std::int64_t>(out.integers.size())};
    } else {
      refuse(node, "has neither value, value_float nor value_ints");
    }
    constants_[name] = std::move(out);
  }

  void identity(const NodeProto& node) {
    if (node.output_size() < 1) refuse(node, "has no output");
    if (is_constant(node, 0)) {
      OnnxConstant copy = constant(node, 0);
      copy.name = node.output(0);
      constants_[node.output(0)] = std::move(copy);
      return;
    }
    if (pads_.contains(input_name(node, 0)))
      refuse(node, "reads a Pad; expected convolutions alone");
    define(node, value(node, 0));
  }

  // Arithmetic of shapes and paddings; false where the node reads anything else.
  bool fold_integers(const NodeProto& node) {
    std::vector<const OnnxConstant*> inputs;
    for (int i = 0; i < node.input_size(); ++i) {
      if (has_input(node, i) && !is_constant(node, i)) return false;
      inputs.push_back(has_input(node, i) ? &constant(node, i) : nullptr);
    }
    auto out = integers_of(node, inputs);
    if (!out) return false;
    define_integers(node, std::move(out->shape), std::move(out->integers));
    return true;
  }

  void convert(const NodeProto& node) {
    using Convert = std::function<void(Importer&, const NodeProto&)>;
    static const std::map<std::string, Convert, std::less<>> kKnown = {
        {"Add", &Importer::add_values},
        {"AveragePool",
         [](Importer& in, const NodeProto& n) { in.pool(n, graph::PoolKind::average); }},
        {"BatchNormalization", &Importer::batch_norm},
        {"Clip", &Importer::clip},
        {"Concat", &Importer::concat},
        {"Constant", &Importer::constant_node},
        {"Conv", &Importer::convolution},
        {"Dropout", &Importer::dropout},
        {"Flatten", &Importer::flatten},
        {"Gemm", &Importer::gemm},
        {"GlobalAveragePool",
         [](Importer& in, const NodeProto& n) {
           in.add(n, graph::GlobalAveragePool{}, {in.value(n, 0)});
         }},
        {"HardSigmoid", &Importer::hard_sigmoid},
        {"HardSwish",
         [](Importer& in, const NodeProto& n) {
           in.activation(n, graph::ActivationKind::hard_swish);
         }},
        {"Identity", &Importer::identity},
        {"MatMul", &Importer::matrix_product},
        {"MaxPool", [](Importer& in, const NodeProto& n) { in.pool(n, graph::PoolKind::max); }},
        {"Mul", &Importer::multiply},
        {"Pad", &Importer::pad},
        {"ReduceMean", &Importer::mean},
        {"Relu",
         [](Importer& in, const NodeProto& n) { in.activation(n, graph::ActivationKind::relu); }},
        {"Reshape", &Importer::reshape},
        {"Shape", &Importer::shape_of},
        {"Slice", &Importer::slice},
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

}  // namespace

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
    return Importer(model, path.filename().string()).run();
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace bitsweep::models
