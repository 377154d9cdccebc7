#include "networks.h"

#include <algorithm>
#include <random>
#include <stdexcept>

#include "models/model.h"
#include "quant/scheme.h"

namespace bitsweep::integer::testing {
namespace {

using graph::NodeId;
using quant::Place;

// Weights and norms of about the size that training gives.
graph::Parameters drawn_parameters(const graph::Graph& graph, std::mt19937& random) {
  graph::Parameters out(graph);
  std::normal_distribution<float> normal;
  for (const graph::TensorSpec& spec : out.specs()) {
    for (float& value : out.values(spec.name)) {
      if (spec.name.ends_with("running_var")) {
        value = 0.5F + std::abs(normal(random));
      } else if (spec.name.ends_with("weight") && spec.shape.size() == 1) {
        value = 1 + 0.2F * normal(random);  // γ
      } else {
        value = 0.3F * normal(random);
      }
    }
  }
  return out;
}

void draw_alphas(Example& out, std::mt19937& random) {
  std::uniform_real_distribution<double> alpha(1, 4);
  for (const quant::QuantizerSite& site : out.sites.sites) {
    if (site.place != Place::output) continue;
    out.alphas[out.graph.node(site.node).name] = alpha(random);
  }
}

}  // namespace

Example example(const std::string& model, const std::string& activation, int bits,
                std::uint32_t seed) {
  std::mt19937 random(seed);
  config::ModelConfig config;
  config.name = model;
  if (model == "resnet20") config.shortcut = "B";
  graph::Graph graph = models::build_model(config, 10);
  config::QuantConfig quant;
  quant.scheme = "dorefa_pact";
  quant.weight.quantizer = "tanh_symmetric";
  quant.activation.quantizer = activation;
  quant.weight.bits = quant.activation.bits = bits;
  quant.layers.push_back({.match = ".*", .overrides = {}, .place = "test"});
  quant.layers[0].overrides.push_back({"weight.bits", config::Value(std::int64_t{bits})});
  quant.layers[0].overrides.push_back({"activation.bits", config::Value(std::int64_t{bits})});
  quant::SitePlan sites = quant::plan_network(graph, quant).sites;
  graph::Parameters parameters = drawn_parameters(graph, random);
  Example out{std::move(graph), std::move(sites), std::move(parameters), {}};
  draw_alphas(out, random);
  return out;
}

Example small_example(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto one_of = [&](const std::vector<int>& values) {
    return values[std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(random)];
  };
  graph::Graph graph("small");
  quant::SitePlan sites;
  const auto site = [&](Place place, NodeId node, const char* quantizer, int bits) {
    quant::QuantizerSite out;
    out.place = place;
    out.node = node;
    out.quantizer = quantizer;
    out.bits = bits;
    sites.sites.push_back(out);
  };
  const std::vector<const char*> activations = {"mpact", "pact", "dorefa_clamp", "pact_fixed"};
  NodeId x = graph.add_input("input", {one_of({1, 3, 5}), one_of({5, 8, 9}), one_of({5, 7, 8})});
  for (int i = 0; i < 3; ++i) {
    const std::string name = "conv" + std::to_string(i);
    const std::int64_t in = graph.node(x).output.channels;
    const bool depthwise = i == 1 && one_of({0, 1}) == 1;
    const int kernel = one_of({1, 3}), stride = one_of({1, 1, 2});
    const NodeId before = x;
    const std::int64_t channels = depthwise || i == 2 ? in : one_of({4, 7, 16, 20, 33});
    x = graph.add(name,
                  graph::Convolution{.in_channels = in,
                                     .out_channels = channels,
                                     .kernel = {kernel, kernel},
                                     .stride = {i == 2 ? 1 : stride, i == 2 ? 1 : stride},
                                     .padding = graph::Padding::all(kernel / 2),
                                     .groups = depthwise ? in : 1,
                                     .bias = one_of({0, 1}) == 1},
                  {x});
    site(Place::weight, x, one_of({0, 1}) == 1 ? "tanh_symmetric" : "dorefa", one_of({3, 4, 7, 8}));
    if (one_of({0, 1, 1}) == 1) x = graph.add(name + ".bn", graph::BatchNorm{channels}, {x});
    if (i == 2) x = graph.add(name + ".add", graph::Add{}, {x, before});
    if (one_of({0, 1}) == 1) x = graph.add(name + ".relu", graph::Activation{}, {x});
    // One in five is left in full precision.
    if (one_of({0, 1, 1, 1, 1}) == 1) {
      const char* quantizer = activations[static_cast<std::size_t>(one_of({0, 1, 2, 3}))];
      site(Place::output, x, quantizer, one_of({2, 4, 8, 12}));
    }
  }
  const std::int64_t features = graph.node(x).output.channels;
  x = graph.add("pool", graph::GlobalAveragePool{}, {x});
  if (one_of({0, 1}) == 1) site(Place::output, x, "mpact", one_of({8, 16}));
  graph.add("fc", graph::Linear{.in_features = features, .out_features = 5}, {x});
  site(Place::weight, graph.output(), "tanh_symmetric", one_of({8, 16}));
  graph::Parameters parameters = drawn_parameters(graph, random);
  Example out{std::move(graph), std::move(sites), std::move(parameters), {}};
  draw_alphas(out, random);
  return out;
}

std::vector<float> drawn_image(const graph::Shape& shape, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<std::size_t>(shape.elements()));
  for (float& value : out) value = normal(random);
  return out;
}

const Layer& layer_of(const Network& network, const std::string& name) {
  for (const Step& step : network.steps) {
    const auto* layer = std::get_if<Layer>(&step);
    if (layer != nullptr && layer->name == name) return *layer;
  }
  throw std::runtime_error("no layer " + name);
}

}  // namespace bitsweep::integer::testing
