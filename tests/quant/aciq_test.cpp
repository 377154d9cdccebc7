#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "models/model.h"
#include "quant/scheme.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using config::Granularity;
using config::Statistics;
using config::Ties;

namespace {

graph::Graph network(std::string name, std::string shortcut = "") {
  config::ModelConfig config;
  config.name = std::move(name);
  config.shortcut = std::move(shortcut);
  return models::build_model(config, 10);
}

// Document 004 without refinements, as the defaults of docs/config.md have it.
config::QuantConfig aciq(int weight_bits, int activation_bits) {
  config::QuantConfig quant;
  quant.scheme = "aciq";
  quant.weight.bits = weight_bits;
  quant.activation.bits = activation_bits;
  for (auto* tensor : {&quant.weight, &quant.activation}) {
    tensor->quantizer = "affine";
    tensor->rounding = "nearest";
    tensor->clipping = "none";
  }
  quant.sites.first_weight_bits = 8;
  quant.sites.last_weight_bits = 8;
  return quant;
}

// As the preset submission2019 resolves (config/presets.cpp).
config::QuantConfig submission2019(int weight_bits, int activation_bits, Granularity granularity,
                                   Statistics statistics = Statistics::calibrated) {
  auto quant = aciq(weight_bits, activation_bits);
  quant.weight.granularity = quant.activation.granularity = granularity;
  quant.weight.ties = quant.activation.ties = std::nullopt;
  quant.calibration.statistics = statistics;
  if (statistics == Statistics::dynamic) quant.activation.range = "sample_mean";
  if (statistics == Statistics::calibrated && activation_bits == 4) {
    quant.sites.first_activation_bits = 8;
  }
  return quant;
}

struct Plan {
  PlannedNetwork planned;
  explicit Plan(const config::QuantConfig& quant, const graph::Graph& g = network("resnet20"))
      : planned(plan_network(g, quant)) {}
  const graph::Graph& graph() const { return planned.folding.graph; }
  const QuantizerSite* find(Place place, std::string_view node) const {
    return planned.sites.find(place, graph().find(node));
  }
  const QuantizerSite& weight(std::string_view node) const { return *find(Place::weight, node); }
  const QuantizerSite& output(std::string_view node) const { return *find(Place::output, node); }
  graph::TotalCount total() const {
    return graph::count(graph(), bit_table(graph(), planned.sites)).total;
  }
};

config::LayerRule rule(std::string match, std::string key, config::Value value) {
  return {std::move(match), {{std::move(key), std::move(value)}}, "x.toml:3:9"};
}

}  // namespace

TEST_CASE("aciq quantizes every weight and every convolution's output, and nothing else") {
  const Plan plan(aciq(4, 4));
  const auto layers = 20;
  CHECK(plan.planned.sites.sites.size() == 2 * layers);
  for (const auto* node : {"input", "relu1", "layer1.0.add", "layer1.0.relu2", "avgpool"}) {
    CAPTURE(node);
    CHECK(plan.find(Place::output, node) == nullptr);
  }
  CHECK(plan.find(Place::output, "layer2.1.conv2") != nullptr);
  CHECK(plan.graph().find("bn1") == -1);  // folded
}

TEST_CASE("first and last layer keep their own weight widths unless they are to be the same") {
  auto quant = aciq(4, 4);
  CHECK(Plan(quant).weight("conv1").bits == 8);
  CHECK(Plan(quant).weight("layer1.0.conv1").bits == 4);
  CHECK(Plan(quant).weight("linear").bits == 8);
  quant.sites.first_weight_bits.reset();
  quant.sites.last_weight_bits = 6;
  CHECK(Plan(quant).weight("conv1").bits == 4);
  CHECK(Plan(quant).weight("linear").bits == 6);
}

TEST_CASE("a range is half where the output's only user is a ReLU, by the graph alone") {
  auto quant = aciq(8, 8);
  const Plan plan(quant);
  CHECK(plan.output("conv1").half_range);
  CHECK(plan.output("layer3.2.conv1").half_range);
  CHECK_FALSE(plan.output("layer3.2.conv2").half_range);
  const Plan b(quant, network("resnet20", "B"));
  CHECK_FALSE(b.output("features.stage2.unit1.identity_conv").half_range);
  const Plan toynet(quant, network("toynet"));
  CHECK_FALSE(toynet.output("stem.conv").half_range);
  CHECK(toynet.output("cells.0.conv2").half_range);
  quant.sites.fused_relu = false;
  CHECK_FALSE(Plan(quant).output("conv1").half_range);
}

TEST_CASE("logits are 8 bits per tensor between the extreme batch minimum and maximum") {
  auto quant = aciq(4, 4);
  quant.activation.granularity = Granularity::channel;
  quant.activation.clipping = "laplace";
  const QuantizerSite logits = Plan(quant).output("linear");
  CHECK(logits.bits == 8);
  CHECK(logits.granularity == Granularity::tensor);
  CHECK(logits.clipping == "none");
  CHECK(logits.range == RangeRule::batch_extreme);
  CHECK_FALSE(logits.half_range);
  quant.sites.logits_bits = config::kUnquantizedBits;
  CHECK(Plan(quant).find(Place::output, "linear") == nullptr);
}

TEST_CASE("ties are even and ranges extremes unless said otherwise, whatever the granularity") {
  auto quant = aciq(4, 4);
  for (const auto granularity : {Granularity::tensor, Granularity::channel}) {
    quant.weight.granularity = quant.activation.granularity = granularity;
    const Plan plan(quant);
    for (const QuantizerSite& site : plan.planned.sites.sites) {
      CHECK(site.ties == Ties::even);
      CHECK(site.range != RangeRule::sample_mean);
    }
    CHECK(plan.output("conv1").bits == 4);
  }
}

TEST_CASE("ties by path round away from zero per tensor unclipped, and to even elsewhere") {
  const Plan tensor(submission2019(4, 4, Granularity::tensor));
  CHECK(tensor.weight("layer1.0.conv1").ties == Ties::away);
  CHECK(tensor.output("layer1.0.conv1").ties == Ties::away);
  CHECK(tensor.output("linear").ties == Ties::away);
  const Plan channel(submission2019(4, 4, Granularity::channel));
  CHECK(channel.weight("layer1.0.conv1").ties == Ties::even);
  CHECK(channel.weight("linear").ties == Ties::even);
  CHECK(channel.output("layer1.0.conv1").ties == Ties::even);
  CHECK(channel.output("linear").ties == Ties::away);
  auto clipped = submission2019(8, 4, Granularity::tensor);
  clipped.activation.clipping = "laplace";
  CHECK(Plan(clipped).output("layer1.0.conv1").ties == Ties::even);
  CHECK(Plan(clipped).weight("layer1.0.conv1").ties == Ties::away);
  clipped.activation.ties = Ties::away;
  CHECK(Plan(clipped).output("layer1.0.conv1").ties == Ties::away);
}

TEST_CASE("a width of the first activation makes it per tensor and unclipped") {
  auto quant = submission2019(8, 4, Granularity::channel);
  quant.activation.clipping = "laplace";
  const QuantizerSite special = Plan(quant).output("conv1");
  CHECK(special.bits == 8);
  CHECK(special.granularity == Granularity::tensor);
  CHECK(special.clipping == "none");
  CHECK(special.ties == Ties::away);
  CHECK(special.half_range);
  quant.sites.first_activation_bits.reset();
  const QuantizerSite same = Plan(quant).output("conv1");
  CHECK(same.bits == 4);
  CHECK(same.granularity == Granularity::channel);
  CHECK(same.clipping == "laplace");
}

TEST_CASE("means of sample extremes apply to sites per tensor alone, and never to the logits") {
  const auto range = [](Granularity granularity, Statistics statistics, const char* node) {
    return Plan(submission2019(4, 4, granularity, statistics)).output(node).range;
  };
  CHECK(range(Granularity::tensor, Statistics::dynamic, "layer1.0.conv2") ==
        RangeRule::sample_mean);
  CHECK(range(Granularity::tensor, Statistics::calibrated, "layer1.0.conv2") == RangeRule::minmax);
  CHECK(range(Granularity::channel, Statistics::dynamic, "layer1.0.conv2") == RangeRule::minmax);
  CHECK(range(Granularity::tensor, Statistics::dynamic, "linear") == RangeRule::batch_extreme);
}

TEST_CASE("a width list gives every layer its own, logits included, below the layer rules") {
  auto quant = aciq(4, 4);
  quant.weight.bits_per_layer.assign(20, 5);
  quant.weight.bits_per_layer[0] = 3;
  quant.activation.bits_per_layer.assign(20, 6);
  quant.activation.bits_per_layer[19] = 7;
  quant.layers = {rule("layer1.0.conv1", "weight.bits", std::int64_t{2})};
  const Plan plan(quant);
  CHECK(plan.weight("conv1").bits == 3);
  CHECK(plan.weight("layer1.0.conv1").bits == 2);
  CHECK(plan.weight("linear").bits == 5);
  CHECK(plan.output("conv1").bits == 6);
  CHECK(plan.output("linear").bits == 7);
  quant.weight.bits_per_layer.pop_back();
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("quant.weight.bits has 19 entries") &&
                                      ContainsSubstring("20 layers")));
}

TEST_CASE("bits none leaves the whole class in full precision") {
  auto quant = aciq(config::kUnquantizedBits, 8);
  CHECK(Plan(quant).find(Place::weight, "conv1") == nullptr);
  CHECK(Plan(quant).total().weight_bits_average == 32);
  quant = aciq(8, config::kUnquantizedBits);
  CHECK(Plan(quant).find(Place::output, "conv1") == nullptr);
  CHECK(Plan(quant).find(Place::output, "linear") == nullptr);
  CHECK(Plan(quant).total().activation_bits_average == 32);
}

TEST_CASE("average widths count first layer, last layer and logits by element") {
  // Golden whole-network rows W4A4_pt, W8A4_pc and W4A4_pc_dynamic.
  const auto calibrated = Plan(submission2019(4, 4, Granularity::tensor)).total();
  CHECK(calibrated.weight_bits_average == 4.015979965416493);
  CHECK(calibrated.activation_bits_average == 4.348019912326325);
  const auto dynamic =
      Plan(submission2019(8, 4, Granularity::channel, Statistics::dynamic)).total();
  CHECK(dynamic.weight_bits_average == 8);
  CHECK(dynamic.activation_bits_average == 4.000212284928831);
}

TEST_CASE("bytes are the weights' bits rounded up plus four for each scale") {
  const auto tensor = Plan(submission2019(4, 4, Granularity::tensor)).total();
  CHECK(tensor.weight_bytes == (1072 * 8 + 267264 * 4) / 8);
  CHECK(tensor.scale_bytes == 20 * 4);
  CHECK(tensor.bytes() == tensor.weight_bytes + tensor.scale_bytes);
  const auto channel = Plan(submission2019(4, 4, Granularity::channel)).total();
  CHECK(channel.weight_bytes == tensor.weight_bytes);
  CHECK(channel.scale_bytes == (7 * 16 + 6 * 32 + 6 * 64 + 10) * 4);
}

TEST_CASE("layer rules win over first, last and logits policies; the first match decides") {
  auto quant = submission2019(4, 4, Granularity::channel);
  quant.layers = {rule("conv1", "weight.bits", std::int64_t{6}),
                  rule("layer1\\..*|conv1", "weight.bits", std::int64_t{3}),
                  rule("linear", "activation.bits", std::int64_t{5})};
  const Plan plan(quant);
  CHECK(plan.weight("conv1").bits == 6);
  CHECK(plan.weight("layer1.0.conv1").bits == 3);
  CHECK(plan.weight("layer2.0.conv1").bits == 4);
  CHECK(plan.output("conv1").bits == 8);  // only its weight has a rule
  CHECK(plan.output("linear").bits == 5);
  CHECK(plan.output("linear").range == RangeRule::batch_extreme);
}

TEST_CASE("a layer rule replaces the special first activation and takes granularity, too") {
  auto quant = submission2019(4, 4, Granularity::channel);
  quant.layers = {{"conv1",
                   {{"activation.bits", std::int64_t{3}},
                    {"weight.bits", std::string("none")},
                    {"weight.granularity", std::string("tensor")}},
                   "x.toml:3:9"}};
  const Plan plan(quant);
  CHECK(plan.output("conv1").bits == 3);
  CHECK(plan.output("conv1").granularity == Granularity::channel);
  CHECK(plan.find(Place::weight, "conv1") == nullptr);
}

TEST_CASE("a layer rule without a match is refused with its place and the nearest layer") {
  for (const auto* scheme : {"aciq", "none"}) {
    auto quant = aciq(4, 4);
    quant.scheme = scheme;
    quant.layers = {rule("conv2", "weight.bits", std::int64_t{6})};
    CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                         MessageMatches(ContainsSubstring("x.toml:3:9") &&
                                        ContainsSubstring("'conv2' matches no layer") &&
                                        ContainsSubstring("did you mean 'conv1'?")));
  }
  auto quant = aciq(4, 4);
  quant.layers = {rule("conv(", "weight.bits", std::int64_t{6})};
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("is not a regular expression")));
  quant.layers = {rule("conv1", "weight.bit", std::int64_t{6})};
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("did you mean 'weight.bits'?")));
}

TEST_CASE("max-pool outputs are 8 bits per tensor, vectors always per tensor") {
  graph::Graph g("small");
  auto x = g.add_input("input", {3, 8, 8});
  x = g.add("conv", graph::Convolution{.in_channels = 3, .out_channels = 4}, {x});
  x = g.add("relu", graph::Activation{}, {x});
  graph::Pool pool;
  pool.kernel = pool.stride = {2, 2};
  x = g.add("pool", pool, {x});
  x = g.add("squeeze", graph::GlobalAveragePool{}, {x});
  x = g.add("fc1", graph::Linear{.in_features = 4, .out_features = 6}, {x});
  x = g.add("fc1_relu", graph::Activation{}, {x});
  g.add("fc2", graph::Linear{.in_features = 6, .out_features = 2}, {x});

  const Plan plan(submission2019(4, 4, Granularity::channel, Statistics::dynamic), g);
  CHECK(plan.output("pool").bits == 8);
  CHECK(plan.output("pool").granularity == Granularity::tensor);
  CHECK(plan.output("pool").range == RangeRule::sample_mean);
  CHECK(plan.output("fc1").bits == 4);
  CHECK(plan.output("fc1").granularity == Granularity::tensor);
  CHECK(plan.output("fc1").half_range);
  CHECK(plan.find(Place::output, "squeeze") == nullptr);
}

TEST_CASE("logits are the last layer's where activations and averages follow, else the output") {
  graph::Graph g("convolutional");
  auto x = g.add_input("input", {3, 8, 8});
  x = g.add("conv1", graph::Convolution{.in_channels = 3, .out_channels = 4}, {x});
  x = g.add("conv10", graph::Convolution{.in_channels = 4, .out_channels = 5}, {x});
  x = g.add("relu", graph::Activation{}, {x});
  x = g.add("pool", graph::GlobalAveragePool{}, {x});
  const Plan plan(aciq(4, 4), g);
  CHECK(plan.output("conv10").bits == 8);
  CHECK(plan.output("conv10").range == RangeRule::batch_extreme);
  CHECK_FALSE(plan.output("conv10").half_range);
  CHECK(plan.find(Place::output, "pool") == nullptr);

  g.add("sum", graph::Add{}, {x, x});
  const Plan sum(aciq(4, 4), g);
  CHECK(sum.output("sum").bits == 8);
  CHECK(sum.output("sum").range == RangeRule::batch_extreme);
  CHECK(sum.output("conv10").bits == 4);
  CHECK(sum.output("conv10").half_range);
}

TEST_CASE("with batch norms kept, quantizers stand behind them") {
  auto quant = aciq(4, 4);
  quant.fold_batch_norm = false;
  const Plan plan(quant);
  CHECK(plan.find(Place::output, "conv1") == nullptr);
  CHECK(plan.output("bn1").half_range);
  CHECK(plan.output("layer1.0.bn2").bits == 4);
}

TEST_CASE("scheme none plans nothing and keeps batch norms") {
  auto quant = aciq(4, 4);
  quant.scheme = "none";
  const Plan plan(quant);
  CHECK(plan.planned.sites.sites.empty());
  CHECK(plan.graph().find("bn1") >= 0);
  CHECK(plan.total().weight_bits_average == 32);
  CHECK(plan.total().activation_bits_average == 32);
  quant.scheme = "acik";
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("unknown quantization scheme 'acik'") &&
                                      ContainsSubstring("did you mean 'aciq'?")));
}

TEST_CASE("widths are allocated per channel, where no policy gives them and the tensor is narrow") {
  auto quant = aciq(4, 4);
  for (auto* tensor : {&quant.weight, &quant.activation}) {
    tensor->granularity = Granularity::channel;
    tensor->bit_allocation = "round";
  }
  quant.weight.average_bits = 3.5;
  const Plan plan(quant);
  CHECK(plan.weight("layer1.0.conv1").allocation.average_bits == 3.5);
  CHECK(plan.output("layer1.0.conv1").allocation.average_bits == 4);
  CHECK(plan.output("conv1").is_allocated());
  CHECK_FALSE(plan.weight("conv1").is_allocated());
  CHECK_FALSE(plan.weight("linear").is_allocated());
  CHECK_FALSE(plan.output("linear").is_allocated());
  quant.sites.first_activation_bits = 4;
  quant.weight.allocation_max_bits = 3;
  CHECK_FALSE(Plan(quant).output("conv1").is_allocated());
  CHECK_FALSE(Plan(quant).weight("layer1.0.conv1").is_allocated());
}

TEST_CASE("a layer's own width is what its allocation aims at, unless the rule says an average") {
  auto quant = aciq(4, 4);
  quant.weight.granularity = Granularity::channel;
  quant.weight.bit_allocation = "exact";
  quant.weight.average_bits = 3.5;
  quant.layers = {rule("layer1.0.conv1", "weight.bits", std::int64_t{6})};
  CHECK(Plan(quant).weight("layer1.0.conv1").allocation.average_bits == 6);
  quant.layers[0].overrides.insert(quant.layers[0].overrides.begin(), {"weight.average_bits", 2.5});
  CHECK(Plan(quant).weight("layer1.0.conv1").allocation.average_bits == 2.5);
}

TEST_CASE("an allocation that cannot be met is refused with the key") {
  auto quant = aciq(4, 4);
  quant.weight.granularity = Granularity::channel;
  quant.weight.bit_allocation = "exact";
  quant.weight.average_bits = 9;
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("quant.weight.bit_allocation") &&
                                      ContainsSubstring("cannot be met")));
  quant.weight.average_bits.reset();
  quant.weight.granularity = Granularity::tensor;
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("quant.weight.granularity")));
  quant.weight.granularity = Granularity::channel;
  quant.weight.quantizer = "symmetric";
  CHECK_THROWS_MATCHES(Plan(quant), ConfigError,
                       MessageMatches(ContainsSubstring("expected quantizer \"affine\"")));
}

TEST_CASE("weights of every layer are corrected, first and last included") {
  auto quant = aciq(4, 4);
  quant.weight.bias_correction = "mean";
  const Plan plan(quant);
  for (const auto* layer : {"conv1", "layer2.1.conv2", "linear"}) {
    CHECK(plan.weight(layer).bias_correction == "mean");
  }
}
