// Inception-V3 (Szegedy 2015) with torchvision's names, without its auxiliary classifier, which
// only training from scratch used. torchvision's pretrained weights expect x / 127.5 − 1 (its
// transform_input): data.normalize = "tf".
#include <array>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;
using graph::Padding;

struct Window {
  std::array<int, 2> kernel{1, 1};
  int stride = 1;
  bool padded = false;  // (kernel − 1) / 2 on every side
};
constexpr Window k1x1{};
constexpr Window k3x3{.kernel = {3, 3}, .padded = true};
constexpr Window k5x5{.kernel = {5, 5}, .padded = true};
constexpr Window k1x3{.kernel = {1, 3}, .padded = true};
constexpr Window k3x1{.kernel = {3, 1}, .padded = true};
constexpr Window k1x7{.kernel = {1, 7}, .padded = true};
constexpr Window k7x1{.kernel = {7, 1}, .padded = true};
constexpr Window kHalving{.kernel = {3, 3}, .stride = 2};

class Builder {
 public:
  explicit Builder(const config::ModelConfig& config)
      : g_(config.name), input_(input_shape(config)) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = g_.add_input("input", input_);
    x = conv("Conv2d_1a_3x3", x, 32, kHalving);
    x = conv("Conv2d_2a_3x3", x, 32, {.kernel = {3, 3}});
    x = conv("Conv2d_2b_3x3", x, 64, k3x3);
    x = halving_pool("maxpool1", x, graph::PoolStyle::module);
    x = conv("Conv2d_3b_1x1", x, 80, k1x1);
    x = conv("Conv2d_4a_3x3", x, 192, {.kernel = {3, 3}});
    x = halving_pool("maxpool2", x, graph::PoolStyle::module);
    x = mixed_a("Mixed_5b", x, 32);
    x = mixed_a("Mixed_5c", x, 64);
    x = mixed_a("Mixed_5d", x, 64);
    x = mixed_b("Mixed_6a", x);
    x = mixed_c("Mixed_6b", x, 128);
    x = mixed_c("Mixed_6c", x, 160);
    x = mixed_c("Mixed_6d", x, 160);
    x = mixed_c("Mixed_6e", x, 192);
    x = mixed_d("Mixed_7a", x);
    x = mixed_e("Mixed_7b", x);
    x = mixed_e("Mixed_7c", x);
    const std::int64_t features = g_.node(x).output.channels;
    x = g_.add("avgpool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
    x = g_.add("dropout", graph::Dropout{0.5}, {x});
    g_.add("fc", graph::Linear{.in_features = features, .out_features = num_classes}, {x});
    return std::move(g_);
  }

 private:
  NodeId conv(const std::string& name, NodeId x, std::int64_t out_channels, const Window& window) {
    graph::Convolution c{.in_channels = g_.node(x).output.channels,
                         .out_channels = out_channels,
                         .kernel = window.kernel,
                         .stride = {window.stride, window.stride}};
    if (window.padded) {
      const int rows = (c.kernel[0] - 1) / 2;
      const int columns = (c.kernel[1] - 1) / 2;
      c.padding = {rows, columns, rows, columns};
    }
    x = g_.add(name + ".conv", c, {x});
    x = g_.add(name + ".bn", graph::BatchNorm{.features = out_channels, .eps = 1e-3}, {x});
    return g_.add(name + ".relu", graph::Activation{}, {x});
  }

  NodeId halving_pool(std::string name, NodeId x, graph::PoolStyle style) {
    return g_.add(std::move(name), graph::Pool{.kernel = {3, 3}, .stride = {2, 2}, .style = style},
                  {x});
  }

  // The branch that most blocks have: a 3x3 mean of the same size, then a 1x1 convolution.
  NodeId pool_branch(const std::string& name, NodeId x, std::int64_t out_channels) {
    const NodeId y = g_.add(name + ".pool",
                            graph::Pool{.kind = graph::PoolKind::average,
                                        .kernel = {3, 3},
                                        .padding = Padding::all(1),
                                        .style = graph::PoolStyle::functional},
                            {x});
    return conv(name + ".branch_pool", y, out_channels, k1x1);
  }

  NodeId concat(std::string name, std::vector<NodeId> branches) {
    return g_.add(std::move(name), graph::Concat{}, std::move(branches));
  }

  NodeId mixed_a(const std::string& name, NodeId x, std::int64_t pool_channels) {
    const NodeId a = conv(name + ".branch1x1", x, 64, k1x1);
    NodeId b = conv(name + ".branch5x5_1", x, 48, k1x1);
    b = conv(name + ".branch5x5_2", b, 64, k5x5);
    NodeId c = conv(name + ".branch3x3dbl_1", x, 64, k1x1);
    c = conv(name + ".branch3x3dbl_2", c, 96, k3x3);
    c = conv(name + ".branch3x3dbl_3", c, 96, k3x3);
    const NodeId d = pool_branch(name, x, pool_channels);
    return concat(name + ".concat", {a, b, c, d});
  }

  NodeId mixed_b(const std::string& name, NodeId x) {
    const NodeId a = conv(name + ".branch3x3", x, 384, kHalving);
    NodeId b = conv(name + ".branch3x3dbl_1", x, 64, k1x1);
    b = conv(name + ".branch3x3dbl_2", b, 96, k3x3);
    b = conv(name + ".branch3x3dbl_3", b, 96, kHalving);
    const NodeId c = halving_pool(name + ".pool", x, graph::PoolStyle::functional);
    return concat(name + ".concat", {a, b, c});
  }

  NodeId mixed_c(const std::string& name, NodeId x, std::int64_t inner) {
    const NodeId a = conv(name + ".branch1x1", x, 192, k1x1);
    NodeId b = conv(name + ".branch7x7_1", x, inner, k1x1);
    b = conv(name + ".branch7x7_2", b, inner, k1x7);
    b = conv(name + ".branch7x7_3", b, 192, k7x1);
    NodeId c = conv(name + ".branch7x7dbl_1", x, inner, k1x1);
    c = conv(name + ".branch7x7dbl_2", c, inner, k7x1);
    c = conv(name + ".branch7x7dbl_3", c, inner, k1x7);
    c = conv(name + ".branch7x7dbl_4", c, inner, k7x1);
    c = conv(name + ".branch7x7dbl_5", c, 192, k1x7);
    const NodeId d = pool_branch(name, x, 192);
    return concat(name + ".concat", {a, b, c, d});
  }

  NodeId mixed_d(const std::string& name, NodeId x) {
    NodeId a = conv(name + ".branch3x3_1", x, 192, k1x1);
    a = conv(name + ".branch3x3_2", a, 320, kHalving);
    NodeId b = conv(name + ".branch7x7x3_1", x, 192, k1x1);
    b = conv(name + ".branch7x7x3_2", b, 192, k1x7);
    b = conv(name + ".branch7x7x3_3", b, 192, k7x1);
    b = conv(name + ".branch7x7x3_4", b, 192, kHalving);
    const NodeId c = halving_pool(name + ".pool", x, graph::PoolStyle::functional);
    return concat(name + ".concat", {a, b, c});
  }

  NodeId mixed_e(const std::string& name, NodeId x) {
    const NodeId a = conv(name + ".branch1x1", x, 320, k1x1);
    NodeId b = conv(name + ".branch3x3_1", x, 384, k1x1);
    b = fork(name + ".branch3x3_2", b);
    NodeId c = conv(name + ".branch3x3dbl_1", x, 448, k1x1);
    c = conv(name + ".branch3x3dbl_2", c, 384, k3x3);
    c = fork(name + ".branch3x3dbl_3", c);
    const NodeId d = pool_branch(name, x, 192);
    return concat(name + ".concat", {a, b, c, d});
  }

  // A 3x3 convolution split into a row and a column side by side.
  NodeId fork(const std::string& name, NodeId x) {
    const NodeId row = conv(name + "a", x, 384, k1x3);
    const NodeId column = conv(name + "b", x, 384, k3x1);
    return concat(name + ".concat", {row, column});
  }

  Graph g_;
  const graph::Shape input_;
};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  return Builder(config).build(num_classes);
}

// As torchvision, whose truncation at ±2, twenty deviations away, changes nothing.
Initialization initial(const config::ModelConfig&) {
  const LayerInitialization normal{.weight = WeightRule::normal, .deviation = 0.1};
  return {.convolution = normal, .linear = normal};
}

}  // namespace

void register_inception_v3(Registry<Model>& registry) {
  registry.add({.name = "inception_v3",
                .summary = "Inception-V3 without auxiliary classifier, for 299x299 images",
                .source = "Szegedy 2015 (arXiv 1512.00567); torchvision",
                .input = {3, 299, 299},
                .resizable = true,
                .options = {},
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
