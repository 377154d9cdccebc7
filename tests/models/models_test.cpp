#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "graph/count.h"
#include "graph/layers.h"
#include "models/conv_block.h"
#include "models/model.h"

using namespace bitsweep;
using namespace bitsweep::models;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

config::ModelConfig model(std::string name, std::string shortcut = "") {
  config::ModelConfig config;
  config.name = std::move(name);
  config.shortcut = std::move(shortcut);
  return config;
}

graph::TotalCount totals(const config::ModelConfig& config) {
  return graph::count(build_model(config, 10)).total;
}

}  // namespace

TEST_CASE("ToyNet has the published parameters and operations") {
  const auto total = totals(model("toynet"));
  CHECK(total.parameters == 203'626);
  CHECK(total.madds_published == 25'601'536);
  CHECK(total.macs == 25'265'152);
}

TEST_CASE("ToyNet's published weight storage follows from its width lists") {
  // Facts 002 A.5 and A.7; entries: stem, blocks 1 to 10, header, fc; 32 leaves float32.
  const auto g = build_model(model("toynet"), 10);
  const auto storage = [&](const std::vector<int>& widths) {
    graph::BitTable table(g.nodes().size());
    for (const graph::NodeId layer : graph::layers(g)) {
      const std::string& name = g.node(layer).name;
      std::size_t entry = 0;
      if (name.starts_with("cells.")) entry = 1 + static_cast<std::size_t>(name[6] - '0');
      if (name == "header.conv") entry = 11;
      if (name == "fc") entry = 12;
      if (widths[entry] != 32) table[static_cast<std::size_t>(layer)].weight = {widths[entry]};
    }
    return graph::count(g, table).total.bytes();
  };
  CHECK(storage({32, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16, 16}) == 240'848);
  CHECK(storage({32, 8, 6, 6, 6, 6, 6, 6, 8, 8, 8, 16, 16}) == 227'616);
  CHECK(storage({32, 8, 6, 6, 6, 6, 6, 6, 6, 6, 6, 16, 16}) == 200'560);
  CHECK(storage({8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}) == 201'664);
  CHECK(storage(std::vector<int>(13, 32)) == 806'656);
}

TEST_CASE("MobileNetV2 for CIFAR has the published parameters and operations") {
  const auto total = totals(model("mobilenetv2_cifar"));
  CHECK(total.parameters == 2'383'050);
  CHECK(total.madds_published == 98'645'504);
  CHECK(total.macs == 95'054'336);
}

TEST_CASE("MobileNetV2 for CIFAR has a convolution in the shortcut of every stride-1 block") {
  const auto g = build_model(model("mobilenetv2_cifar"), 10);
  int shortcuts = 0;
  for (int block = 0; block < 17; ++block) {
    const bool halves = block == 3 || block == 6 || block == 13;
    CHECK((g.find(fmt::format("layers.{}.shortcut.0", block)) >= 0) == !halves);
    shortcuts += !halves;
  }
  CHECK(shortcuts == 14);
}

TEST_CASE("ResNet20 with shortcut B has the published parameters and operations") {
  const auto total = totals(model("resnet20", "B"));
  CHECK(total.parameters == 272'474);
  CHECK(total.madds_published == 41'214'656);
  CHECK(total.macs == 40'813'184);
}

TEST_CASE("ResNet20 with shortcut A, the default, has no parameters in its shortcuts") {
  const auto total = totals(model("resnet20"));
  CHECK(total.parameters == 269'722);
  CHECK(total.macs == 40'551'040);
  CHECK(total.parameters == totals(model("resnet20", "A")).parameters);
}

TEST_CASE("the deeper residual networks have as many layers as their names say") {
  for (const int depth : {20, 32, 44, 56}) {
    const auto g = build_model(model(fmt::format("resnet{}", depth)), 10);
    int layers = 0;
    for (const auto& node : g.nodes()) layers += node.has_weight();
    CHECK(layers == depth);
  }
}

TEST_CASE("model.post_add_relu = false leaves out the ReLUs after the additions and nothing else") {
  auto config = model("resnet20", "B");
  const auto with = build_model(config, 10);
  config.post_add_relu = false;
  const auto without = build_model(config, 10);
  CHECK(with.nodes().size() - without.nodes().size() == 9);
  CHECK(graph::count(with).total.parameters == graph::count(without).total.parameters);
  CHECK(with.find("features.stage1.unit1.relu2") >= 0);
  CHECK(without.find("features.stage1.unit1.relu2") < 0);
}

TEST_CASE("model.num_classes wins over the data set's") {
  CHECK(build_model(model("toynet"), 10).num_classes() == 10);
  auto config = model("toynet");
  config.num_classes = 100;
  CHECK(build_model(config, 10).num_classes() == 100);
  CHECK_THROWS_AS(build_model(model("toynet"), 0), ConfigError);
}

TEST_CASE("unknown networks and options are refused with what is known") {
  CHECK_THROWS_MATCHES(build_model(model("resnet21"), 10), ConfigError,
                       MessageMatches(ContainsSubstring("unknown network 'resnet21'") &&
                                      ContainsSubstring("did you mean 'resnet20'?")));
  CHECK_THROWS_MATCHES(build_model(model("resnet20", "C"), 10), ConfigError,
                       MessageMatches(ContainsSubstring("model.shortcut = 'C'") &&
                                      ContainsSubstring("one of A, B")));
  CHECK_THROWS_MATCHES(build_model(model("toynet", "A"), 10), ConfigError,
                       MessageMatches(ContainsSubstring("'toynet' does not offer it")));
  auto config = model("toynet");
  config.post_add_relu = false;
  CHECK_THROWS_AS(build_model(config, 10), ConfigError);
}

TEST_CASE("networks for ImageNet have the parameters and operations of their sources") {
  struct Case {
    config::ModelConfig config;
    std::int64_t parameters, macs;
  };
  config::ModelConfig narrow = model("mobilenet_v1");
  narrow.width = 0.75;
  // Parameters as torchvision and Keras document them (Inception-V3's without the 3,326,696 of its
  // auxiliary classifier, MobileNetV1's without running statistics).
  const Case cases[] = {{model("alexnet"), 61'100'840, 714'188'480},
                        {model("vgg16"), 138'357'544, 15'470'264'320},
                        {model("vgg16_bn"), 138'365'992, 15'470'264'320},
                        {model("resnet18"), 11'689'512, 1'814'073'344},
                        {model("resnet50"), 25'557'032, 4'089'184'256},
                        {model("resnet101"), 44'549'160, 7'801'405'440},
                        {model("inception_v3"), 23'834'568, 5'713'216'096},
                        {model("mobilenet_v1"), 4'231'976, 568'740'352},
                        {narrow, 2'585'560, 325'400'448},
                        {model("mobilenet_v2"), 3'504'872, 300'774'272},
                        {model("mobilenet_v3_small"), 2'542'856, 56'510'400},
                        {model("squeezenet1_1"), 1'235'496, 349'151'936}};
  for (const Case& c : cases) {
    CAPTURE(c.config.name, c.config.width);
    const auto total = graph::count(build_model(c.config, 1000)).total;
    CHECK(total.parameters == c.parameters);
    CHECK(total.macs == c.macs);
  }
  // 78,666 with running statistics, as Keras counts.
  CHECK(totals(model("resnet8")).parameters == 78'186);
}

TEST_CASE("data.image_size is the edge of what a network reads, where it reads more than one") {
  auto config = model("squeezenet1_1");
  config.image_size = 227;
  CHECK(input_shape(config) == graph::Shape{3, 227, 227});
  const auto g = build_model(config, 1000);
  CHECK(g.node(0).output == graph::Shape{3, 227, 227});
  CHECK(g.node(g.find("features.0")).output == graph::Shape{64, 113, 113});
  CHECK(g.node(g.find("features.2")).output == graph::Shape{64, 56, 56});  // ceil mode

  config = model("toynet");
  config.image_size = 32;
  CHECK(input_shape(config) == graph::Shape{3, 32, 32});
  config.image_size = 64;
  CHECK_THROWS_MATCHES(
      build_model(config, 10), ConfigError,
      MessageMatches(ContainsSubstring("data.image_size = 64: network 'toynet' reads images of")));
  config = model("vgg16");
  config.image_size = 448;  // its adaptive pool averages 2x2 windows
  CHECK(build_model(config, 1000).num_classes() == 1000);
  config.image_size = 256;
  CHECK_THROWS_MATCHES(build_model(config, 1000), ConfigError,
                       MessageMatches(ContainsSubstring("averages 8×8 to 7×7")));
}

TEST_CASE("TF SAME padding puts the smaller half above and to the left") {
  CHECK(same_padding({3, 224, 224}, {3, 3}, {2, 2}) == graph::Padding{0, 0, 1, 1});
  CHECK(same_padding({3, 7, 8}, {3, 3}, {2, 2}) == graph::Padding{1, 0, 1, 1});
  CHECK(same_padding({3, 14, 14}, {5, 5}, {2, 2}) == graph::Padding{1, 1, 2, 2});
  CHECK(same_padding({3, 14, 14}, {3, 3}, {1, 1}) == graph::Padding::all(1));
  CHECK(same_padding({3, 8, 8}, {1, 1}, {2, 2}) == graph::Padding{});
}

TEST_CASE("channels are rounded to multiples of 8, not below 90 %") {
  CHECK(round_channels(3) == 8);
  CHECK(round_channels(12) == 16);
  CHECK(round_channels(11.2) == 16);  // 8 would be less than 90 %
  CHECK(round_channels(41.6) == 40);
}

TEST_CASE("the forms of a MobileNet differ in padding and batch norms, not in layers") {
  auto config = model("mobilenet_v2");
  const auto plain = build_model(config, 1000);
  config.padding = "same";
  const auto same = build_model(config, 1000);
  CHECK(graph::count(plain).total.macs == graph::count(same).total.macs);
  const auto padding = [](const graph::Graph& g, const char* node) {
    return g.node(g.find(node)).as<graph::Convolution>()->padding;
  };
  CHECK(padding(plain, "features.0.0") == graph::Padding::all(1));
  CHECK(padding(same, "features.0.0") == graph::Padding{0, 0, 1, 1});
  CHECK(padding(same, "features.3.conv.1.0") == graph::Padding::all(1));
  config.batch_norm = false;
  const auto folded = build_model(config, 1000);
  CHECK(graph::layer_names(folded) == graph::layer_names(plain));
  CHECK(folded.find("features.0.1") == -1);
  CHECK(folded.node(folded.find("features.0.0")).as<graph::Convolution>()->bias);
  CHECK(padding(build_model(model("mobilenet_v1"), 1000), "conv1") == graph::Padding{0, 0, 1, 1});
}

TEST_CASE("options are set from text, and refused where no network has such a value") {
  config::ModelConfig config = model("mobilenet_v2");
  set_option(config, "width", "1.4");
  set_option(config, "batch_norm", "false");
  set_option(config, "padding", "same");
  CHECK(build_model(config, 1000).node(1).output.channels == 48);
  set_option(config, "width", "0.9");
  CHECK_THROWS_MATCHES(
      build_model(config, 1000), ConfigError,
      MessageMatches(ContainsSubstring("model.width = '0.9': expected one of 1, ")));
  CHECK_THROWS_AS(set_option(config, "width", "wide"), ConfigError);
  CHECK_THROWS_AS(set_option(config, "batch_norm", "no"), ConfigError);
  CHECK_THROWS_MATCHES(set_option(config, "widht", "1"), ConfigError,
                       MessageMatches(ContainsSubstring("did you mean 'width'?")));
  auto resnet = model("resnet18");
  resnet.padding = "same";
  CHECK_THROWS_MATCHES(build_model(resnet, 1000), ConfigError,
                       MessageMatches(ContainsSubstring("'resnet18' does not offer it")));
}

TEST_CASE("every registered network builds with its defaults and says where it comes from") {
  for (const Model& entry : models::models().entries()) {
    CAPTURE(entry.name);
    CHECK_FALSE(entry.summary.empty());
    CHECK_FALSE(entry.source.empty());
    const auto g = build_model(model(entry.name), 7);
    CHECK(g.node(0).output == entry.input);
    CHECK(g.num_classes() == 7);
  }
}

TEST_CASE("every network says how its values begin") {
  for (const Model& entry : bitsweep::models::models().entries()) {
    CAPTURE(entry.name);
    CHECK(entry.initialization != nullptr);
  }
  CHECK(initialization(model("resnet20", "B")).convolution.weight == WeightRule::kaiming_uniform);
  CHECK(initialization(model("resnet20")).convolution.weight == WeightRule::kaiming_normal_fan_in);
  CHECK_THROWS_AS(initialization(model("resnet21")), ConfigError);
}
