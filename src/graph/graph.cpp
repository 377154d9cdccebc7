#include "graph/graph.h"

#include <algorithm>
#include <span>

#include "core/check.h"
#include "core/error.h"
#include "graph/listing.h"

namespace bitsweep::graph {
namespace {

// Larger is a mistake in a network description; it also keeps every product below from overflowing.
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 20;
constexpr double kMaxWeights = 1e12;

// What is wrong with one node: the message of the ConfigError that Graph::add throws.
template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw ConfigError(fmt::format(format, std::forward<Args>(args)...));
}

void require_inputs(std::span<const Shape> inputs, std::size_t count) {
  if (inputs.size() != count) refuse("has {} inputs, expected {}", inputs.size(), count);
}

void require_positive(std::string_view what, std::int64_t value) {
  if (value < 1 || value > kMaxDimension) {
    refuse("{} is {}, expected 1 to {}", what, value, kMaxDimension);
  }
}

void require_weights(double elements) {
  if (elements > kMaxWeights) refuse("has {:.0f} weights, at most {:.0f}", elements, kMaxWeights);
}

void require_padding(const Padding& padding) {
  const auto [low, high] = std::minmax({padding.top, padding.left, padding.bottom, padding.right});
  if (low < 0 || high > kMaxDimension) {
    refuse("padding is {},{},{},{} (top, left, bottom, right), expected 0 to {}", padding.top,
           padding.left, padding.bottom, padding.right, kMaxDimension);
  }
}

// One dimension of a sliding window.
struct Window {
  std::int64_t input;
  int kernel;
  int stride;
  int dilation;
  int pad_before;
  int pad_after;
};

std::int64_t window_positions(const Window& w, bool ceil_mode) {
  require_positive("kernel", w.kernel);
  require_positive("stride", w.stride);
  require_positive("dilation", w.dilation);
  const std::int64_t reach = std::int64_t{w.dilation} * (w.kernel - 1) + 1;
  const std::int64_t padded = w.input + w.pad_before + w.pad_after;
  if (reach > padded) refuse("a window of {} does not fit {} padded to {}", reach, w.input, padded);
  const std::int64_t room = padded - reach;
  std::int64_t positions = (room + (ceil_mode ? w.stride - 1 : 0)) / w.stride + 1;
  // PyTorch's rule: in ceil mode the last window starts inside the input or the padding before it.
  if (ceil_mode && (positions - 1) * w.stride >= w.input + w.pad_before) --positions;
  return positions;
}

// The output shape of one node; throws ConfigError without the node's name.
struct InferShape {
  std::span<const Shape> inputs;

  Shape operator()(const Input&) const { refuse("is an input; use Graph::add_input"); }

  Shape operator()(const Convolution& c) const {
    require_inputs(inputs, 1);
    require_positive("in_channels", c.in_channels);
    require_positive("out_channels", c.out_channels);
    require_positive("groups", c.groups);
    require_padding(c.padding);
    if (inputs[0].channels != c.in_channels) {
      refuse("reads {}, expected {} channels", to_text(inputs[0]), c.in_channels);
    }
    if (c.in_channels % c.groups != 0 || c.out_channels % c.groups != 0) {
      refuse("has {} groups, which do not divide {} → {} channels", c.groups, c.in_channels,
             c.out_channels);
    }
    require_weights(static_cast<double>(c.out_channels) * (c.in_channels / c.groups) * c.kernel[0] *
                    c.kernel[1]);
    return {c.out_channels,
            window_positions({inputs[0].height, c.kernel[0], c.stride[0], c.dilation[0],
                              c.padding.top, c.padding.bottom},
                             false),
            window_positions({inputs[0].width, c.kernel[1], c.stride[1], c.dilation[1],
                              c.padding.left, c.padding.right},
                             false)};
  }

  Shape operator()(const Linear& l) const {
    require_inputs(inputs, 1);
    require_positive("in_features", l.in_features);
    require_positive("out_features", l.out_features);
    if (inputs[0] != Shape{l.in_features}) {
      refuse("reads {}, expected a vector of {} (flatten first)", to_text(inputs[0]),
             l.in_features);
    }
    require_weights(static_cast<double>(l.out_features) * l.in_features);
    return {l.out_features};
  }

  Shape operator()(const BatchNorm& b) const {
    require_inputs(inputs, 1);
    if (inputs[0].channels != b.features) {
      refuse("reads {}, expected {} channels", to_text(inputs[0]), b.features);
    }
    if (!(b.eps > 0)) refuse("eps is {}, expected more than 0", b.eps);
    return inputs[0];
  }

  Shape operator()(const Activation&) const { return same_shape(); }

  Shape operator()(const Add&) const {
    require_inputs(inputs, 2);
    if (inputs[0] != inputs[1]) refuse("adds {} and {}", to_text(inputs[0]), to_text(inputs[1]));
    return inputs[0];
  }

  Shape operator()(const Multiply&) const {
    require_inputs(inputs, 2);
    if (inputs[1] != inputs[0] && inputs[1] != Shape{inputs[0].channels}) {
      refuse("multiplies {} by {}", to_text(inputs[0]), to_text(inputs[1]));
    }
    return inputs[0];
  }

  Shape operator()(const Concat&) const {
    if (inputs.size() < 2) refuse("has {} inputs, expected 2 or more", inputs.size());
    Shape out = inputs[0];
    for (const Shape& next : inputs.subspan(1)) {
      if (next.height != out.height || next.width != out.width) {
        refuse("concatenates {} and {}", to_text(inputs[0]), to_text(next));
      }
      out.channels += next.channels;
    }
    return out;
  }

  Shape operator()(const Pool& p) const {
    require_inputs(inputs, 1);
    require_padding(p.padding);
    // As PyTorch: a window that sees nothing but padding has no maximum.
    if (2 * std::max(p.padding.top, p.padding.bottom) > p.kernel[0] ||
        2 * std::max(p.padding.left, p.padding.right) > p.kernel[1]) {
      refuse("pads more than half its kernel of {}x{}", p.kernel[0], p.kernel[1]);
    }
    return {inputs[0].channels,
            window_positions(
                {inputs[0].height, p.kernel[0], p.stride[0], 1, p.padding.top, p.padding.bottom},
                p.ceil_mode),
            window_positions(
                {inputs[0].width, p.kernel[1], p.stride[1], 1, p.padding.left, p.padding.right},
                p.ceil_mode)};
  }

  Shape operator()(const GlobalAveragePool&) const {
    require_inputs(inputs, 1);
    return {inputs[0].channels};
  }

  Shape operator()(const ZeroPadShortcut& z) const {
    require_inputs(inputs, 1);
    require_positive("stride", z.stride);
    if (z.channels_before < 0 || z.channels_after < 0) {
      refuse("pads {} and {} channels, expected 0 or more", z.channels_before, z.channels_after);
    }
    return {z.channels_before + inputs[0].channels + z.channels_after,
            (inputs[0].height - 1) / z.stride + 1, (inputs[0].width - 1) / z.stride + 1};
  }

  Shape operator()(const Flatten&) const {
    require_inputs(inputs, 1);
    return {inputs[0].elements()};
  }

  Shape operator()(const Dropout& d) const {
    if (!(d.probability >= 0 && d.probability < 1)) {
      refuse("probability is {}, expected 0 to below 1", d.probability);
    }
    return same_shape();
  }

 private:
  Shape same_shape() const {
    require_inputs(inputs, 1);
    return inputs[0];
  }
};

struct OpName {
  std::string_view operator()(const Input&) const { return "input"; }
  std::string_view operator()(const Convolution&) const { return "conv"; }
  std::string_view operator()(const Linear&) const { return "linear"; }
  std::string_view operator()(const BatchNorm&) const { return "batch_norm"; }
  std::string_view operator()(const Activation& a) const {
    switch (a.kind) {
      case ActivationKind::relu:
        return "relu";
      case ActivationKind::relu6:
        return "relu6";
      case ActivationKind::hard_swish:
        return "hard_swish";
      case ActivationKind::hard_sigmoid:
        return "hard_sigmoid";
      case ActivationKind::hard_sigmoid_fifth:
        return "hard_sigmoid_fifth";
    }
    BITSWEEP_CHECK(false, "activation kind {}", static_cast<int>(a.kind));
    return {};
  }
  std::string_view operator()(const Add&) const { return "add"; }
  std::string_view operator()(const Multiply&) const { return "mul"; }
  std::string_view operator()(const Concat&) const { return "concat"; }
  std::string_view operator()(const Pool& p) const {
    return p.kind == PoolKind::max ? "max_pool" : "average_pool";
  }
  std::string_view operator()(const GlobalAveragePool&) const { return "global_average_pool"; }
  std::string_view operator()(const ZeroPadShortcut&) const { return "zero_pad_shortcut"; }
  std::string_view operator()(const Flatten&) const { return "flatten"; }
  std::string_view operator()(const Dropout&) const { return "dropout"; }
};

}  // namespace

std::string_view op_name(const Node& node) { return std::visit(OpName{}, node.attributes); }

NodeId Graph::add_input(std::string name, Shape shape) {
  if (!nodes_.empty()) {
    throw ConfigError(fmt::format(
        "{}: input '{}' after other nodes; a network has one input, first", name_, name));
  }
  if (std::min({shape.channels, shape.height, shape.width}) < 1 ||
      std::max({shape.channels, shape.height, shape.width}) > kMaxDimension) {
    throw ConfigError(fmt::format("{}: input '{}' is {}, expected dimensions of 1 to {}", name_,
                                  name, to_text(shape), kMaxDimension));
  }
  nodes_.push_back({std::move(name), Input{}, {}, shape});
  return 0;
}

NodeId Graph::add(std::string name, Attributes attributes, std::vector<NodeId> inputs) {
  if (name.empty()) throw ConfigError(fmt::format("{}: a node without a name", name_));
  if (find(name) >= 0) throw ConfigError(fmt::format("{}: two nodes named '{}'", name_, name));
  const auto id = static_cast<NodeId>(nodes_.size());
  std::vector<Shape> shapes;
  for (const NodeId input : inputs) {
    BITSWEEP_CHECK(input >= 0 && input < id, "{}: node '{}' reads node {} of {}", name_, name,
                   input, id);
    shapes.push_back(node(input).output);
  }
  Node added{std::move(name), std::move(attributes), std::move(inputs), {}};
  try {
    added.output = std::visit(InferShape{shapes}, added.attributes);
    require_positive("output channels", added.output.channels);
  } catch (const ConfigError& error) {
    throw ConfigError(
        fmt::format("{}: {} '{}' {}", name_, op_name(added), added.name, error.what()));
  }
  nodes_.push_back(std::move(added));
  return id;
}

NodeId Graph::find(std::string_view name) const {
  const auto it = std::ranges::find(nodes_, name, &Node::name);
  return it == nodes_.end() ? -1 : static_cast<NodeId>(it - nodes_.begin());
}

std::vector<NodeId> Graph::users(NodeId id) const {
  std::vector<NodeId> out;
  for (NodeId user = id + 1; user <= output(); ++user) {
    const auto& inputs = node(user).inputs;
    if (std::ranges::find(inputs, id) != inputs.end()) out.push_back(user);
  }
  return out;
}

void Graph::set_bit_map(BitMap bits) {
  const auto check = [&](const std::vector<BitPlace>& places,
                         const std::vector<BitEntry>& entries) {
    for (const BitEntry& entry : entries) {
      BITSWEEP_CHECK(entry.is_listed || entry.own_width, "{}: '{}' has no width", name_,
                     entry.what);
    }
    for (const BitPlace& place : places) {
      BITSWEEP_CHECK(place.node >= 0 && place.node <= output() && place.entry < entries.size(),
                     "{}: entry {} of {} for node {}", name_, place.entry, entries.size(),
                     place.node);
    }
  };
  check(bits.weights, bits.weight_entries);
  check(bits.outputs, bits.output_entries);
  for (NodeId id = 0; id <= output(); ++id) {
    BITSWEEP_CHECK(
        !node(id).has_weight() || std::ranges::count(bits.weights, id, &BitPlace::node) == 1,
        "{}: layer '{}' has no entry or several", name_, node(id).name);
  }
  bit_map_ = std::move(bits);
}

std::int64_t TensorSpec::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::vector<TensorSpec> tensor_specs(const Graph& graph) {
  std::vector<TensorSpec> specs;
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    const auto add = [&](std::string_view tensor, std::vector<std::int64_t> shape,
                         bool trainable = true) {
      specs.push_back({fmt::format("{}.{}", node.name, tensor), std::move(shape), id, trainable});
    };
    if (const auto* conv = node.as<Convolution>()) {
      add("weight",
          {conv->out_channels, conv->in_channels / conv->groups, conv->kernel[0], conv->kernel[1]});
      if (conv->bias) add("bias", {conv->out_channels});
    } else if (const auto* linear = node.as<Linear>()) {
      add("weight", {linear->out_features, linear->in_features});
      if (linear->bias) add("bias", {linear->out_features});
    } else if (const auto* norm = node.as<BatchNorm>()) {
      add("weight", {norm->features});
      add("bias", {norm->features});
      add("running_mean", {norm->features}, false);
      add("running_var", {norm->features}, false);
    }
  }
  return specs;
}

}  // namespace bitsweep::graph
