// Layers, parameters and operations of whole networks.
#include <optional>

#include "golden.h"
#include "graph/count.h"
#include "models/model.h"

namespace bitsweep::golden {
namespace {

using graph::Graph;
using graph::Node;

// The names of PyTorch's modules; "" for what is none.
std::string module_type(const Node& node) {
  if (node.as<graph::Convolution>() != nullptr) return "Conv2d";
  if (node.as<graph::Linear>() != nullptr) return "Linear";
  if (node.as<graph::BatchNorm>() != nullptr) return "BatchNorm2d";
  if (const auto* pool = node.as<graph::Pool>()) {
    return pool->kind == graph::PoolKind::max ? "MaxPool2d" : "AvgPool2d";
  }
  if (const auto* pool = node.as<graph::GlobalAveragePool>()) {
    switch (pool->style) {
      case graph::GlobalPoolStyle::adaptive_module:
        return "AdaptiveAvgPool2d";
      case graph::GlobalPoolStyle::average_module:
        return "AvgPool2d";
      case graph::GlobalPoolStyle::functional:
        return "";
    }
  }
  return "";
}

Json layer_answer(const Graph& g, const graph::LayerCount& layer) {
  const Node& node = g.node(layer.node);
  const graph::Shape& shape = node.output;
  Json row = {{"name", node.name},
              {"type", module_type(node)},
              {"output_shape", {shape.channels, shape.height, shape.width}},
              {"params", layer.parameters},
              {"macs", layer.macs}};
  if (const auto* conv = node.as<graph::Convolution>()) {
    row.update({{"in", conv->in_channels},
                {"out", conv->out_channels},
                {"kernel", conv->kernel},
                {"stride", conv->stride},
                {"padding", {conv->padding.top, conv->padding.left}},
                {"groups", conv->groups},
                {"bias", conv->bias}});
  } else if (const auto* linear = node.as<graph::Linear>()) {
    row.update({{"output_shape", {linear->out_features}},
                {"in", linear->in_features},
                {"out", linear->out_features},
                {"bias", linear->bias}});
  } else if (const auto* norm = node.as<graph::BatchNorm>()) {
    row.update({{"features", norm->features}, {"eps", norm->eps}});
  }
  return row;
}

// A case says no model by name: it is the one whose modules have the same names and types.
bool has_modules(const Graph& g, const Json& layers) {
  std::size_t at = 0;
  for (const Node& node : g.nodes()) {
    const std::string type = module_type(node);
    if (type.empty()) continue;
    if (at == layers.size() || layers[at].at("name") != node.name ||
        layers[at].at("type") != type) {
      return false;
    }
    ++at;
  }
  return at == layers.size();
}

std::optional<Graph> find_network(const Case& golden) {
  const Json& layers = golden.expect.at("layers");
  const auto classes = layers.back().at("out").get<std::int64_t>();
  for (const models::Model& model : models::models().entries()) {
    config::ModelConfig config;
    config.name = model.name;
    std::vector<std::string> shortcuts{""};
    for (const models::ModelOption& option : model.options) {
      if (option.key == "shortcut") shortcuts = option.choices;
    }
    for (const std::string& shortcut : shortcuts) {
      config.shortcut = shortcut;
      Graph g = models::build_model(config, classes);
      if (has_modules(g, layers)) return g;
    }
  }
  return std::nullopt;
}

bool is_known(const Case& golden) { return find_network(golden).has_value(); }

Json count_layers(const Case& golden) {
  const Graph g = *find_network(golden);
  const graph::Counts counts = graph::count(g);
  Json layers = Json::array();
  for (const graph::LayerCount& layer : counts.layers) layers.push_back(layer_answer(g, layer));
  return {{"params", counts.total.parameters},
          {"macs_conv_linear", counts.total.macs},
          {"madds_published_rule", counts.total.madds_published},
          {"learnable_alphas", not_yet("issue 6: the quantizers of document 002")},
          {"layers", std::move(layers)}};
}

}  // namespace

void register_architectures(Handlers& handlers) {
  handlers.add({.topic = "architectures", .kinds = {}, .takes = is_known, .run = count_layers});
}

}  // namespace bitsweep::golden
