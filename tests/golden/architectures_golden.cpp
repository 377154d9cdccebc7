// Layers, parameters and operations of whole networks.
#include <algorithm>
#include <optional>

#include "core/error.h"
#include "golden.h"
#include "graph/count.h"
#include "models/model.h"

namespace bitsweep::golden {
namespace {

using graph::Graph;
using graph::Node;

std::string pool_type(const std::string& pool, graph::PoolStyle style) {
  switch (style) {
    case graph::PoolStyle::module:
      return pool;
    case graph::PoolStyle::adaptive_module:
      return "Adaptive" + pool;
    case graph::PoolStyle::functional:
      return "";
  }
  return "";
}

// The names of PyTorch's modules; "" for what is none.
std::string module_type(const Node& node) {
  if (node.as<graph::Convolution>() != nullptr) return "Conv2d";
  if (node.as<graph::Linear>() != nullptr) return "Linear";
  if (node.as<graph::BatchNorm>() != nullptr) return "BatchNorm2d";
  if (const auto* pool = node.as<graph::Pool>()) {
    return pool_type(pool->kind == graph::PoolKind::max ? "MaxPool2d" : "AvgPool2d", pool->style);
  }
  if (const auto* pool = node.as<graph::GlobalAveragePool>()) {
    return pool_type("AvgPool2d", pool->style);
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

// A case says no model by name: it is the one whose modules have the same names, types and widths.
bool has_modules(const Graph& g, const Json& layers) {
  std::size_t at = 0;
  for (const Node& node : g.nodes()) {
    const std::string type = module_type(node);
    if (type.empty()) continue;
    if (at == layers.size() || layers[at].at("name") != node.name ||
        layers[at].at("type") != type || layers[at].at("output_shape")[0] != node.output.channels) {
      return false;
    }
    ++at;
  }
  return at == layers.size();
}

// Every choice of the model's options, on images of this edge.
std::vector<config::ModelConfig> forms(const models::Model& model, std::int64_t image_size) {
  config::ModelConfig plain;
  plain.name = model.name;
  if (model.resizable) plain.image_size = image_size;
  std::vector<config::ModelConfig> out{plain};
  for (const models::ModelOption& option : model.options) {
    const std::vector<config::ModelConfig> before = std::move(out);
    out.clear();
    for (config::ModelConfig config : before) {
      for (const std::string& choice : option.choices) {
        models::set_option(config, option.key, choice);
        out.push_back(config);
      }
    }
  }
  return out;
}

std::optional<Graph> find_network(const Case& golden) {
  const Json& layers = golden.expect.at("layers");
  const auto classes = layers.back().value("out", std::int64_t{1000});
  const Json& shape = golden.inputs.at("input_shape");
  const graph::Shape input{shape[0], shape[1], shape[2]};
  for (const models::Model& model : models::models().entries()) {
    for (const config::ModelConfig& config : forms(model, input.height)) {
      if (models::input_shape(config) != input) continue;
      try {
        Graph g = models::build_model(config, classes);
        if (has_modules(g, layers)) return g;
      } catch (const ConfigError&) {
        // It cannot read images as small as these.
      }
    }
  }
  return std::nullopt;
}

bool is_known(const Case& golden) { return find_network(golden).has_value(); }

// One for each activation that the network's source quantizes with a learned end.
std::int64_t learnable_alphas(const Graph& g) {
  const auto& bits = g.stated_bit_map();
  if (!bits || bits->source_quantizer != "mpact") return 0;
  return std::ranges::count_if(bits->outputs, [&](const graph::BitPlace& place) {
    return place.spot != graph::Spot::input && place.spot != graph::Spot::norm &&
           bits->output_entries[place.entry].own_quantizer.empty();
  });
}

Json count_layers(const Case& golden) {
  const Graph g = *find_network(golden);
  const graph::Counts counts = graph::count(g);
  Json layers = Json::array();
  for (const graph::LayerCount& layer : counts.layers) layers.push_back(layer_answer(g, layer));
  return {{"params", counts.total.parameters},
          {"macs_conv_linear", counts.total.macs},
          {"madds_published_rule", counts.total.madds_published},
          {"learnable_alphas", learnable_alphas(g)},
          {"layers", std::move(layers)}};
}

}  // namespace

void register_architectures(Handlers& handlers) {
  handlers.add({.topic = "architectures", .kinds = {}, .takes = is_known, .run = count_layers});
}

}  // namespace bitsweep::golden
