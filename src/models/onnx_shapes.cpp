// Operators that move values, pad and slice them, or compute shapes.
#include <onnx.pb.h>

#include <algorithm>

#include "models/onnx_importer.h"
#include "models/onnx_integers.h"

namespace bitsweep::models {

using graph::NodeId;
using graph::Shape;
using onnx::NodeProto;

void OnnxImporter::flatten(const NodeProto& node) {
  const std::int64_t axis = integer(node, "axis", 1);
  if (axis != 1 && axis != -3) refuse(node, "from axis {}, expected 1", axis);
  add(node, graph::Flatten{}, {value(node, 0)});
}

void OnnxImporter::reshape(const NodeProto& node) {
  const std::vector<std::int64_t>& to = constant(node, 1).integers;
  const NodeId in = value(node, 0);
  if (to.size() != 2 || (to[1] != -1 && to[1] != shape(in).elements())) {
    refuse(node, "to [{}]; only flattening to [images, {}] is known", fmt::join(to, ", "),
           shape(in).elements());
  }
  add(node, graph::Flatten{}, {in});
}

void OnnxImporter::shape_of(const NodeProto& node) {
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

bool OnnxImporter::is_vector(NodeId id) const {
  const graph::Node& node = graph_.node(id);
  if (node.as<graph::Activation>() != nullptr || node.as<graph::Dropout>() != nullptr) {
    return is_vector(node.inputs[0]);
  }
  return node.as<graph::Flatten>() != nullptr || node.as<graph::Linear>() != nullptr;
}

void OnnxImporter::define_integers(const NodeProto& node, std::vector<std::int64_t> sizes,
                                   std::vector<std::int64_t> values) {
  if (node.output_size() < 1) refuse(node, "has no output");
  constants_[node.output(0)] = {node.output(0), std::move(sizes), {}, std::move(values), false};
}

void OnnxImporter::slice(const NodeProto& node) {
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

bool OnnxImporter::pads_channels(const NodeProto& node, const std::vector<std::int64_t>& pads) {
  const auto sliced = steps_.find(node.input(0));
  const auto is_zero = [&](std::size_t i) { return pads[i] == 0; };
  const bool channels = pads.size() == 8 && is_zero(0) && is_zero(2) && is_zero(3) && is_zero(4) &&
                        is_zero(6) && is_zero(7) && (pads[1] > 0 || pads[5] > 0);
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

void OnnxImporter::pad(const NodeProto& node) {
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

void OnnxImporter::constant_node(const NodeProto& node) {
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

void OnnxImporter::identity(const NodeProto& node) {
  if (node.output_size() < 1) refuse(node, "has no output");
  if (is_constant(node, 0)) {
    OnnxConstant copy = constant(node, 0);
    copy.name = node.output(0);
    constants_[node.output(0)] = std::move(copy);
    return;
  }
  if (pads_.contains(input_name(node, 0))) refuse(node, "reads a Pad; expected convolutions alone");
  define(node, value(node, 0));
}

bool OnnxImporter::fold_integers(const NodeProto& node) {
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

}  // namespace bitsweep::models
