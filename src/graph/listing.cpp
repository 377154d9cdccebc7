#include "graph/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace bitsweep::graph {
namespace {

std::string pair_text(const std::array<int, 2>& pair) {
  return pair[0] == pair[1] ? fmt::format("{}", pair[0]) : fmt::format("{}x{}", pair[0], pair[1]);
}

std::string padding_text(const Padding& p) {
  if (p == Padding::all(p.top)) return fmt::format("{}", p.top);
  return fmt::format("{},{},{},{}", p.top, p.left, p.bottom, p.right);
}

std::string window_text(const std::array<int, 2>& kernel, const std::array<int, 2>& stride,
                        const Padding& padding) {
  std::string out = fmt::format("{}x{}", kernel[0], kernel[1]);
  if (stride != std::array<int, 2>{1, 1}) out += " stride " + pair_text(stride);
  if (padding != Padding{}) out += " pad " + padding_text(padding);
  return out;
}

std::string style_text(PoolStyle style) {
  switch (style) {
    case PoolStyle::module:
      return "average module";
    case PoolStyle::adaptive_module:
      return "adaptive module";
    case PoolStyle::functional:
      return "functional";
  }
  return "";
}

struct DescribeAttributes {
  std::string operator()(const Input&) const { return ""; }
  std::string operator()(const Convolution& c) const {
    std::string out = window_text(c.kernel, c.stride, c.padding);
    if (c.dilation != std::array<int, 2>{1, 1}) out += " dilation " + pair_text(c.dilation);
    if (c.groups != 1) out += fmt::format(" groups {}", c.groups);
    if (c.bias) out += " bias";
    return out;
  }
  std::string operator()(const Linear& l) const { return l.bias ? "bias" : ""; }
  std::string operator()(const BatchNorm& b) const { return fmt::format("eps {}", b.eps); }
  std::string operator()(const Activation&) const { return ""; }
  std::string operator()(const Add&) const { return ""; }
  std::string operator()(const Multiply&) const { return ""; }
  std::string operator()(const Concat&) const { return ""; }
  std::string operator()(const Pool& p) const {
    std::string out = window_text(p.kernel, p.stride, p.padding);
    if (p.ceil_mode) out += " ceil";
    if (p.kind == PoolKind::average && !p.count_include_pad) out += " without padding";
    if (p.style != PoolStyle::module) out += fmt::format(" {}", style_text(p.style));
    return out;
  }
  std::string operator()(const GlobalAveragePool& p) const { return style_text(p.style); }
  std::string operator()(const ZeroPadShortcut& z) const {
    return fmt::format("stride {} channels +{} +{}", z.stride, z.channels_before, z.channels_after);
  }
  std::string operator()(const Flatten&) const { return ""; }
  std::string operator()(const Dropout& d) const { return fmt::format("p {}", d.probability); }
};

nlohmann::json shape_json(const Shape& shape) {
  return {shape.channels, shape.height, shape.width};
}

std::vector<std::string> input_names(const Graph& graph, const Node& node) {
  std::vector<std::string> names;
  for (const NodeId input : node.inputs) names.push_back(graph.node(input).name);
  return names;
}

nlohmann::json node_json(const Node& node) {
  return {{"name", node.name},
          {"op", op_name(node)},
          {"attributes", describe_attributes(node)},
          {"output_shape", shape_json(node.output)}};
}

}  // namespace

std::string to_text(const Shape& shape) {
  if (shape.height == 1 && shape.width == 1) return fmt::format("{}", shape.channels);
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

std::string describe_attributes(const Node& node) {
  return std::visit(DescribeAttributes{}, node.attributes);
}

std::string to_text(const Graph& graph) {
  std::size_t name_width = 0;
  for (const Node& node : graph.nodes()) name_width = std::max(name_width, node.name.size());
  std::string out;
  for (const Node& node : graph.nodes()) {
    std::string what(op_name(node));
    if (const std::string attributes = describe_attributes(node); !attributes.empty()) {
      what += " " + attributes;
    }
    std::string line =
        fmt::format("{:<{}}  {:>9}  {}", node.name, name_width, to_text(node.output), what);
    if (!node.inputs.empty()) {
      line += fmt::format(" ({})", bitsweep::join(input_names(graph, node), ", "));
    }
    out += line + "\n";
  }
  return out;
}

nlohmann::json to_json(const Graph& graph) {
  nlohmann::json nodes = nlohmann::json::array();
  for (const Node& node : graph.nodes()) {
    nlohmann::json row = node_json(node);
    row["inputs"] = input_names(graph, node);
    nodes.push_back(std::move(row));
  }
  return {{"name", graph.name()}, {"nodes", std::move(nodes)}};
}

nlohmann::json to_json(const Graph& graph, const LayerCount& layer) {
  const Node& node = graph.node(layer.node);
  nlohmann::json row = node_json(node);
  row["parameters"] = layer.parameters;
  row["macs"] = layer.macs;
  row["madds_published"] = layer.madds_published;
  if (node.has_weight()) {
    row["weights"] = layer.weights;
    row["weight_bits"] = layer.weight_bits;
    row["activation_bits"] = layer.activation_bits;
    row["output_bits"] = layer.output_bits;
    row["bops"] = layer.bops;
    row["bytes"] = layer.bytes;
  }
  return row;
}

nlohmann::json to_json(const TotalCount& total) {
  return {{"parameters", total.parameters},
          {"macs", total.macs},
          {"madds_published", total.madds_published},
          {"weights", total.weights},
          {"bops", total.bops},
          {"weight_bytes", total.weight_bytes},
          {"scale_bytes", total.scale_bytes},
          {"bytes", total.bytes()},
          {"weight_bits_average", total.weight_bits_average},
          {"activation_bits_average", total.activation_bits_average}};
}

}  // namespace bitsweep::graph
