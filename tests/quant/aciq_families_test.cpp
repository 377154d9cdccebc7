// What scheme `aciq` finds in each family of networks (facts 004 B.1.4, B.1.5): half ranges, the
// 8-bit exceptions, and what stays in full precision.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "config/recipe.h"
#include "graph/layers.h"
#include "models/model.h"
#include "quant/scheme.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using config::Granularity;

namespace {

// 4-bit weights and activations per channel under the preset of the published simulator.
struct Planned {
  config::TrialConfig trial;
  PlannedNetwork network;

  // model: its name, or a table in braces.
  explicit Planned(const std::string& model, const std::string& quant = "")
      : trial(read(model.starts_with("{") ? model : "{ name = \"" + model + "\" }", quant)),
        network(plan_network(models::build_model(trial.model, 1000), trial.quant)) {}

  static config::TrialConfig read(const std::string& model, const std::string& quant) {
    const std::string toml = "kind = \"ptq\"\ndata.name = \"cifar10\"\nmodel = " + model + R"(
[quant]
scheme = "aciq"
preset = "submission2019"
weight = { bits = 4, granularity = "channel" }
activation = { bits = 4, granularity = "channel", clipping = "laplace" }
)";
    config::Settings settings;
    config::read_trial_tables(config::parse_toml(toml + quant, "x.toml").root, settings);
    return config::to_trial(settings);
  }

  const graph::Graph& graph() const { return network.folding.graph; }
  const QuantizerSite* find(Place place, std::string_view node) const {
    return network.sites.find(place, graph().find(node));
  }
  const QuantizerSite& weight(std::string_view layer) const {
    const QuantizerSite* site = find(Place::weight, layer);
    REQUIRE(site != nullptr);
    return *site;
  }
  const QuantizerSite& output(std::string_view node) const {
    const QuantizerSite* site = find(Place::output, node);
    REQUIRE(site != nullptr);
    return *site;
  }
  bool is_free(std::string_view node) const {
    REQUIRE(graph().find(node) >= 0);
    return find(Place::output, node) == nullptr;
  }
  // Layers whose weights are not 4 bits wide.
  std::set<std::string> exceptions() const {
    std::set<std::string> out;
    for (const graph::NodeId layer : graph::layers(graph())) {
      const std::string& name = graph().node(layer).name;
      if (weight(name).bits != 4) out.insert(name);
    }
    return out;
  }
  // Layers whose outputs have the half range.
  std::set<std::string> half_ranges() const {
    std::set<std::string> out;
    for (const QuantizerSite& site : network.sites.sites) {
      if (site.half_range) out.insert(graph().node(site.node).name);
    }
    return out;
  }
  // Every activation quantizer stands on a layer or a maximum.
  void check_places() const {
    for (const QuantizerSite& site : network.sites.sites) {
      if (site.place != Place::output) continue;
      const graph::Node& node = graph().node(site.node);
      CAPTURE(node.name);
      const auto* pool = node.as<graph::Pool>();
      CHECK((node.has_weight() || (pool != nullptr && pool->kind == graph::PoolKind::max)));
    }
  }
};

std::set<std::string> layer_set(const graph::Graph& g) {
  std::set<std::string> out;
  for (const std::string& name : graph::layer_names(g)) out.insert(name);
  return out;
}

void check_8_bit_tensor(const QuantizerSite& site) {
  CHECK(site.bits == 8);
  CHECK(site.granularity == Granularity::tensor);
  CHECK(site.clipping == "none");
}

}  // namespace

TEST_CASE("aciq on AlexNet and VGG16: every hidden layer has the half range") {
  for (const std::string name : {"alexnet", "vgg16", "vgg16_bn"}) {
    CAPTURE(name);
    const Planned planned(name);
    planned.check_places();
    std::set<std::string> hidden = layer_set(planned.graph());
    hidden.erase("classifier.6");
    CHECK(planned.half_ranges() == hidden);
    CHECK(planned.exceptions() == std::set<std::string>{"features.0", "classifier.6"});
    check_8_bit_tensor(planned.output("classifier.6"));
    CHECK(planned.output("classifier.6").range == RangeRule::batch_extreme);
    // Hidden linear layers: the width of the rest, one range, clipped.
    const QuantizerSite& fc = planned.output(name == "alexnet" ? "classifier.4" : "classifier.3");
    CHECK(fc.bits == 4);
    CHECK(fc.granularity == Granularity::tensor);
    CHECK(fc.clipping == "laplace");
    CHECK(planned.is_free("avgpool"));
    CHECK(planned.is_free("flatten"));
  }
  check_8_bit_tensor(Planned("alexnet").output("features.2"));  // maxima
  check_8_bit_tensor(Planned("vgg16").output("features.4"));
  check_8_bit_tensor(Planned("vgg16_bn").output("features.6"));
}

TEST_CASE("aciq on torchvision's residual networks: the marks of the simulator, from the graph") {
  const Planned basic("resnet18");
  basic.check_places();
  const Planned bottleneck("resnet50");
  bottleneck.check_places();
  for (const Planned* planned : {&basic, &bottleneck}) {
    std::set<std::string> marked{"conv1"};
    for (const std::string& name : layer_set(planned->graph())) {
      const bool inner =
          name.ends_with(".conv1") || (planned == &bottleneck && name.ends_with(".conv2"));
      if (inner) marked.insert(name);
    }
    CHECK(planned->half_ranges() == marked);
    CHECK(planned->exceptions() == std::set<std::string>{"conv1", "fc"});
    CHECK(planned->graph().find("bn1") == -1);  // folded
    check_8_bit_tensor(planned->output("maxpool"));
    CHECK(planned->is_free("layer1.0.add"));
    CHECK(planned->is_free("avgpool"));
    CHECK_FALSE(planned->output("layer2.0.downsample.0").half_range);
  }
}

TEST_CASE("aciq on Inception-V3: its second convolution has 8 bits, too, where the preset says") {
  const Planned planned("inception_v3");
  planned.check_places();
  CHECK(planned.exceptions() ==
        std::set<std::string>{"Conv2d_1a_3x3.conv", "Conv2d_2a_3x3.conv", "fc"});
  std::set<std::string> hidden = layer_set(planned.graph());
  hidden.erase("fc");
  CHECK(planned.half_ranges() == hidden);  // every convolution is in front of a ReLU
  check_8_bit_tensor(planned.output("maxpool1"));
  check_8_bit_tensor(planned.output("Mixed_6a.pool"));
  CHECK(planned.is_free("Mixed_5b.pool"));  // an average
  CHECK(planned.is_free("Mixed_5b.concat"));
  // As the published table was measured (facts B.7.5, 4).
  CHECK(Planned("inception_v3", "sites.first_layers = 1\n").exceptions() ==
        std::set<std::string>{"Conv2d_1a_3x3.conv", "fc"});
}

TEST_CASE("aciq on MobileNetV1 and V2: both sides in front of ReLU6 and behind bottlenecks") {
  const Planned v1("mobilenet_v1");
  v1.check_places();
  CHECK(v1.half_ranges().empty());
  CHECK(v1.exceptions() == std::set<std::string>{"conv1", "conv_preds"});
  check_8_bit_tensor(v1.output("conv_preds"));
  CHECK(v1.graph().find("conv_dw_1_bn") == -1);

  const Planned v2("mobilenet_v2");
  v2.check_places();
  CHECK(v2.half_ranges().empty());
  CHECK(v2.exceptions() == std::set<std::string>{"features.0.0", "classifier.1"});
  CHECK(v2.output("features.3.conv.2").granularity == Granularity::channel);
  CHECK(v2.is_free("features.3.add"));
  const Planned folded("{ name = \"mobilenet_v2\", batch_norm = false, padding = \"same\" }");
  CHECK(folded.network.sites.sites.size() == v2.network.sites.sites.size());
}

TEST_CASE("aciq on MobileNetV3: a gate's layers are per tensor, hard-swish fuses with nothing") {
  const Planned planned("mobilenet_v3_small");
  planned.check_places();
  CHECK(planned.exceptions() == std::set<std::string>{"features.0.0", "classifier.3"});
  for (const std::string& name : planned.half_ranges()) {
    CAPTURE(name);
    const bool reads_relu = name.ends_with(".fc1") || name.starts_with("features.1.") ||
                            name.starts_with("features.2.") || name.starts_with("features.3.");
    CHECK(reads_relu);
  }
  CHECK(planned.output("features.2.block.0.0").half_range);
  CHECK_FALSE(planned.output("features.4.block.0.0").half_range);
  const QuantizerSite& fc1 = planned.output("features.4.block.2.fc1");
  CHECK(fc1.half_range);
  CHECK(fc1.granularity == Granularity::tensor);
  CHECK(fc1.bits == 4);
  CHECK_FALSE(planned.output("features.4.block.2.fc2").half_range);
  CHECK(planned.is_free("features.4.block.2.avgpool"));
  CHECK(planned.is_free("features.4.block.2.scale_activation"));
  CHECK(planned.is_free("features.4.block.2.mul"));
}

TEST_CASE("aciq on SqueezeNet: the 1000 channels before the average are the logits") {
  const Planned planned("squeezenet1_1");
  planned.check_places();
  // A convolution on an image is no classifier: its weights are as the rest.
  CHECK(planned.exceptions() == std::set<std::string>{"features.0"});
  const QuantizerSite& logits = planned.output("classifier.1");
  check_8_bit_tensor(logits);
  CHECK(logits.range == RangeRule::batch_extreme);
  CHECK_FALSE(logits.half_range);
  CHECK(planned.is_free("classifier.2"));
  CHECK(planned.is_free("classifier.3"));
  std::set<std::string> hidden = layer_set(planned.graph());
  hidden.erase("classifier.1");
  CHECK(planned.half_ranges() == hidden);
  check_8_bit_tensor(planned.output("features.5"));
  CHECK(planned.is_free("features.3.concat"));
}

TEST_CASE("aciq on ResNet8: shortcut convolutions have both sides, the rest as its marks say") {
  const Planned planned("resnet8");
  planned.check_places();
  CHECK(planned.exceptions() == std::set<std::string>{"conv2d", "dense"});
  CHECK(planned.half_ranges() ==
        std::set<std::string>{"conv2d", "conv2d_1", "conv2d_3", "conv2d_6"});
  CHECK_FALSE(planned.output("conv2d_5").half_range);
}
