// VGG16, plain and with batch norms (Simonyan 2014, configuration D), with torchvision's names.
#include <array>

#include "models/adaptive_pool.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

struct Stage {
  int convolutions;  // 3x3, then a 2x2 maximum
  std::int64_t channels;
};
constexpr std::array<Stage, 5> kStages{{{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}}};

template <bool kBatchNorm>
Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  Graph g(config.name);
  NodeId x = g.add_input("input", input_shape(config));
  int index = 0;  // of the next module of `features`
  const auto next = [&] { return fmt::format("features.{}", index++); };
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.convolutions; ++i) {
      x = g.add(next(),
                graph::Convolution{.in_channels = g.node(x).output.channels,
                                   .out_channels = stage.channels,
                                   .kernel = {3, 3},
                                   .padding = graph::Padding::all(1),
                                   .bias = true},
                {x});
      if (kBatchNorm) x = g.add(next(), graph::BatchNorm{.features = stage.channels}, {x});
      x = g.add(next(), graph::Activation{}, {x});
    }
    x = g.add(next(), graph::Pool{.kernel = {2, 2}, .stride = {2, 2}}, {x});
  }

  constexpr std::int64_t kHidden = 4096;
  x = add_adaptive_average_pool(g, "avgpool", x, 7);
  x = g.add("flatten", graph::Flatten{}, {x});
  x = g.add("classifier.0",
            graph::Linear{.in_features = g.node(x).output.channels, .out_features = kHidden}, {x});
  x = g.add("classifier.1", graph::Activation{}, {x});
  x = g.add("classifier.2", graph::Dropout{0.5}, {x});
  x = g.add("classifier.3", graph::Linear{.in_features = kHidden, .out_features = kHidden}, {x});
  x = g.add("classifier.4", graph::Activation{}, {x});
  x = g.add("classifier.5", graph::Dropout{0.5}, {x});
  g.add("classifier.6", graph::Linear{.in_features = kHidden, .out_features = num_classes}, {x});
  return g;
}

// As torchvision.
Initialization initial(const config::ModelConfig&) {
  return {.convolution = {.weight = WeightRule::kaiming_normal_fan_out, .bias = BiasRule::zero},
          .linear = {.weight = WeightRule::normal, .deviation = 0.01, .bias = BiasRule::zero}};
}

template <bool kBatchNorm>
Model vgg16() {
  return {.name = kBatchNorm ? "vgg16_bn" : "vgg16",
          .summary = kBatchNorm ? "VGG16 with batch norms, for 224x224 images"
                                : "VGG16 for 224x224 images",
          .source = "Simonyan 2014 (arXiv 1409.1556), configuration D; torchvision",
          .input = {3, 224, 224},
          .resizable = true,
          .options = {},
          .build = build<kBatchNorm>,
          .initialization = initial};
}

}  // namespace

void register_vgg(Registry<Model>& registry) {
  registry.add(vgg16<false>());
  registry.add(vgg16<true>());
}

}  // namespace bitsweep::models
