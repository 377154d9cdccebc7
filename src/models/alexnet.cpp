// AlexNet in its one-tower form (Krizhevsky 2014) with torchvision's names.
#include "models/adaptive_pool.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  Graph g(config.name);
  NodeId x = g.add_input("input", input_shape(config));
  int index = 0;  // of the next module of `features`
  const auto next = [&] { return fmt::format("features.{}", index++); };
  const auto conv = [&](std::int64_t out_channels, int kernel, int stride, int padding) {
    x = g.add(next(),
              graph::Convolution{.in_channels = g.node(x).output.channels,
                                 .out_channels = out_channels,
                                 .kernel = {kernel, kernel},
                                 .stride = {stride, stride},
                                 .padding = graph::Padding::all(padding),
                                 .bias = true},
              {x});
    x = g.add(next(), graph::Activation{}, {x});
  };
  const auto max_pool = [&] {
    x = g.add(next(), graph::Pool{.kernel = {3, 3}, .stride = {2, 2}}, {x});
  };
  conv(64, 11, 4, 2);
  max_pool();
  conv(192, 5, 1, 2);
  max_pool();
  conv(384, 3, 1, 1);
  conv(256, 3, 1, 1);
  conv(256, 3, 1, 1);
  max_pool();

  constexpr std::int64_t kHidden = 4096;
  x = add_adaptive_average_pool(g, "avgpool", x, 6);
  x = g.add("flatten", graph::Flatten{}, {x});
  x = g.add("classifier.0", graph::Dropout{0.5}, {x});
  x = g.add("classifier.1",
            graph::Linear{.in_features = g.node(x).output.channels, .out_features = kHidden}, {x});
  x = g.add("classifier.2", graph::Activation{}, {x});
  x = g.add("classifier.3", graph::Dropout{0.5}, {x});
  x = g.add("classifier.4", graph::Linear{.in_features = kHidden, .out_features = kHidden}, {x});
  x = g.add("classifier.5", graph::Activation{}, {x});
  g.add("classifier.6", graph::Linear{.in_features = kHidden, .out_features = num_classes}, {x});
  return g;
}

}  // namespace

void register_alexnet(Registry<Model>& registry) {
  registry.add({.name = "alexnet",
                .summary = "AlexNet, one tower, for 224x224 images",
                .source = "Krizhevsky 2014 (arXiv 1404.5997); torchvision",
                .input = {3, 224, 224},
                .resizable = true,
                .options = {},
                .build = build,
                .initialization = pytorch_initialization});
}

}  // namespace bitsweep::models
