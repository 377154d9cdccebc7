// Operators that become layers of the graph.
#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/onnx_importer.h"

namespace bitsweep::models {

using graph::NodeId;
using graph::Shape;
using onnx::NodeProto;

graph::Padding OnnxImporter::padding(const NodeProto& node, const Shape& in,
                                     std::array<int, 2> kernel, std::array<int, 2> stride,
                                     std::array<int, 2> dilation) const {
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

void OnnxImporter::convolution(const NodeProto& node) {
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

std::vector<float> OnnxImporter::vector(const NodeProto& node, int i, std::int64_t size) const {
  const OnnxConstant& out = reals(node, i);
  if (out.elements() != size) {
    refuse(node, "constant '{}' has {} elements, expected {}", out.name, out.elements(), size);
  }
  return out.reals;
}

void OnnxImporter::batch_norm(const NodeProto& node) {
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

void OnnxImporter::linear(const NodeProto& node, const OnnxConstant& weight, bool transposed,
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

void OnnxImporter::gemm(const NodeProto& node) {
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

void OnnxImporter::matrix_product(const NodeProto& node) {
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

void OnnxImporter::add_values(const NodeProto& node) {
  if (absorbed_.contains(&node)) {
    define(node, value(node, is_constant(node, 0) ? 1 : 0));
    return;
  }
  if (is_constant(node, 0) || is_constant(node, 1)) {
    refuse(node, "adds a constant; only the biases of a MatMul are");
  }
  add(node, graph::Add{}, {value(node, 0), value(node, 1)});
}

void OnnxImporter::multiply(const NodeProto& node) {
  if (is_constant(node, 0) || is_constant(node, 1)) refuse(node, "multiplies by a constant");
  NodeId image = value(node, 0);
  NodeId gate = value(node, 1);
  if (shape(image).elements() < shape(gate).elements()) std::swap(image, gate);
  add(node, graph::Multiply{}, {image, gate});
}

void OnnxImporter::concat(const NodeProto& node) {
  const std::int64_t axis = integer(node, "axis", 1);
  if (axis != 1 && axis != -3) refuse(node, "axis {}, expected channels (1)", axis);
  std::vector<NodeId> inputs;
  for (int i = 0; i < node.input_size(); ++i) inputs.push_back(value(node, i));
  add(node, graph::Concat{}, std::move(inputs));
}

bool OnnxImporter::is_global(const graph::Pool& pool, const Shape& in) {
  return pool.kind == graph::PoolKind::average && pool.padding == graph::Padding{} &&
         pool.kernel[0] == in.height && pool.kernel[1] == in.width;
}

void OnnxImporter::pool(const NodeProto& node, graph::PoolKind kind) {
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

void OnnxImporter::mean(const NodeProto& node) {
  std::vector<std::int64_t> axes =
      is_constant(node, 1) ? constant(node, 1).integers : integers(node, "axes", {});
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
  std::ranges::sort(axes);
  if (axes != std::vector<std::int64_t>{2, 3}) {
    refuse(node, "over axes [{}], expected height and width (2, 3)", fmt::join(axes, ", "));
  }
  add(node, graph::GlobalAveragePool{}, {value(node, 0)});
}

void OnnxImporter::clip(const NodeProto& node) {
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

void OnnxImporter::hard_sigmoid(const NodeProto& node) {
  const float alpha = real(node, "alpha", 0.2F);
  const float beta = real(node, "beta", 0.5F);
  const auto is_slope = [&](float slope) { return std::abs(alpha - slope) <= 1e-6F; };
  if (beta != 0.5F || (!is_slope(1.0F / 6) && !is_slope(0.2F))) {
    refuse(node, "has slope {} and offset {}; expected 1/6 or 1/5, and 1/2", alpha, beta);
  }
  activation(node, is_slope(0.2F) ? graph::ActivationKind::hard_sigmoid_fifth
                                  : graph::ActivationKind::hard_sigmoid);
}

void OnnxImporter::activation(const NodeProto& node, graph::ActivationKind kind) {
  add(node, graph::Activation{kind}, {value(node, 0)});
}

void OnnxImporter::dropout(const NodeProto& node) {
  const double ratio = is_constant(node, 1) ? vector(node, 1, 1)[0] : real(node, "ratio", 0.5F);
  add(node, graph::Dropout{ratio}, {value(node, 0)});
}

}  // namespace bitsweep::models
