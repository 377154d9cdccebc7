// integer::build on cases that can be followed by hand (docs/numerics.md, "Integer inference").
#include "integer/build.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "integer/reference.h"
#include "networks.h"

namespace bitsweep::integer {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using quant::Place;

// input → conv (1×1, one weight) → bn → pool → fc; mPACT of 8 bits on input and bn.
testing::Example tiny() {
  graph::Graph graph("tiny");
  graph.add_input("input", {1, 1, 1});
  graph.add("conv", graph::Convolution{.in_channels = 1, .out_channels = 1}, {0});
  graph.add("bn", graph::BatchNorm{.features = 1, .eps = 0.0625}, {1});
  graph.add("pool", graph::GlobalAveragePool{}, {2});
  graph.add("fc", graph::Linear{.in_features = 1, .out_features = 1}, {3});
  quant::SitePlan sites;
  const auto site = [&](Place place, graph::NodeId node, const char* quantizer) {
    quant::QuantizerSite out;
    out.place = place;
    out.node = node;
    out.quantizer = quantizer;
    sites.sites.push_back(out);
  };
  site(Place::output, 0, "mpact");
  site(Place::weight, 1, "tanh_symmetric");
  site(Place::output, 2, "mpact");
  site(Place::weight, 4, "tanh_symmetric");
  graph::Parameters parameters(graph);
  parameters.values("conv.weight")[0] = 0.5F;  // the largest: code 127
  parameters.values("bn.weight")[0] = 2;
  parameters.values("bn.bias")[0] = 0.25F;
  parameters.values("bn.running_mean")[0] = 1;
  parameters.values("bn.running_var")[0] = 3.9375F;  // and eps: σ² + ε = 4
  parameters.values("fc.weight")[0] = 1;
  parameters.values("fc.bias")[0] = 0.125F;
  return {std::move(graph), std::move(sites), std::move(parameters), {{"input", 2}, {"bn", 4}}};
}

TEST_CASE("build folds a batch norm and the rescale into one multiplier and one offset") {
  const Network network = tiny().build({.ends = {32, 16}});
  const Layer& conv = testing::layer_of(network, "conv");
  CHECK(conv.weights.codes == std::vector<std::int32_t>{127});
  CHECK(conv.weights.scale == 127);
  CHECK(network.input().scale == 63.5);               // 127 / 2
  CHECK(network.tensor(conv.output).scale == 31.75);  // 127 / 4
  // g = 2 / √4 = 1, h = 0.25 − 1 = −0.75; R = 31.75 / (63.5 · 127).
  CHECK(conv.requantization.multiplier == std::vector<std::int32_t>{258});  // 65536 · R = 258.02
  CHECK(conv.requantization.offset ==
        std::vector<std::int32_t>{-1560576});  // 65536 · 31.75 · −0.75
}

TEST_CASE("a code is what the sums say, cut towards zero or rounded") {
  // 100 · 127 · 258 − 1560576 = 1716024 = 26.18 · 65536; −100: −73.8 …
  const auto code = [](std::int32_t input, kernels::FixedRounding rounding) {
    const Network network = tiny().build({.ends = {32, 16}, .rounding = rounding});
    return run_reference(network, std::vector<std::int32_t>{input}).codes[1][0];
  };
  CHECK(code(100, kernels::FixedRounding::truncate) == 26);
  CHECK(code(100, kernels::FixedRounding::nearest) == 26);
  CHECK(code(-100, kernels::FixedRounding::truncate) == -73);
  CHECK(code(-100, kernels::FixedRounding::nearest) == -74);
  CHECK(code(-127, kernels::FixedRounding::truncate) == -87);
}

TEST_CASE("only the document's variant has the code below the quantizer's end") {
  CHECK(tiny().build({.variant = Variant::corrected}).tensors[1].low == -127);
  CHECK(tiny().build({.variant = Variant::document}).tensors[1].low == -128);
}

TEST_CASE("a signed 1-bit, a DoReFa and an unquantized weight keep their real values") {
  const std::vector<float> w = {0.5F, -0.25F, 0.125F};
  quant::QuantizerSite site;
  site.place = Place::weight;
  const auto real = [](const Weights& weights, std::size_t i) {
    return weights.codes[i] / weights.scale;
  };
  site.quantizer = "tanh_symmetric";
  site.bits = 1;
  const Weights binary = integer_weights(w, &site, "w", {});
  CHECK(binary.codes == std::vector<std::int32_t>{1, -1, 1});
  CHECK(std::abs(real(binary, 0) - 0.875 / 3) < 1e-7);
  site.quantizer = "dorefa";
  site.bits = 2;  // levels −1, −1/3, 1/3, 1
  CHECK(integer_weights(w, &site, "w", {}).codes == std::vector<std::int32_t>{3, -1, 1});
  const Weights own = integer_weights(w, nullptr, "w", {});
  CHECK(own.codes[0] == 2047);
  CHECK(std::abs(real(own, 1) + 0.25) < 1.3e-4);  // half a step of 0.5 / 2047
}

TEST_CASE("build refuses what has no integer form, naming the node") {
  graph::Graph graph("odd");
  graph.add_input("input", {2, 4, 4});
  graph.add("swish", graph::Activation{graph::ActivationKind::hard_swish}, {0});
  graph.add("pool", graph::GlobalAveragePool{}, {1});
  graph.add("fc", graph::Linear{.in_features = 2, .out_features = 2}, {2});
  CHECK_THROWS_MATCHES(build(graph, {}, graph::Parameters(graph), {}, {}), ConfigError,
                       MessageMatches(ContainsSubstring("'swish'") && ContainsSubstring("relu")));
}

TEST_CASE("build refuses a weight that is not a number, naming tensor and element") {
  testing::Example example = tiny();
  example.parameters.values("conv.weight")[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_MATCHES(example.build(), DataError,
                       MessageMatches(ContainsSubstring("conv.weight: element 0")));
}

TEST_CASE("build refuses a fixed-point format that does not exist") {
  CHECK_THROWS_MATCHES(tiny().build({.ends = {16, 17}}), ConfigError,
                       MessageMatches(ContainsSubstring("<16, 17>")));
}

TEST_CASE("the image's format is the finest of 16 bits that holds it, of 32 for the document") {
  CHECK(image_format(0.9, Variant::corrected) == kernels::FixedPoint{16, 1});
  CHECK(image_format(1, Variant::corrected) == kernels::FixedPoint{16, 2});
  CHECK(image_format(2.8, Variant::corrected) == kernels::FixedPoint{16, 3});
  CHECK(image_format(255, Variant::corrected) == kernels::FixedPoint{16, 9});
  CHECK(image_format(2.8, Variant::document) == kernels::FixedPoint{32, 3});
}

TEST_CASE("a sum that nothing quantizes is carried in fixed point") {
  testing::Example example = tiny();
  std::erase_if(example.sites.sites, [](const quant::QuantizerSite& site) {
    return site.place == Place::output && site.node == 2;
  });
  const Network network = example.build();
  const Tensor& carrier = network.tensors[1];
  CHECK(!carrier.quantized);
  CHECK(carrier.scale == 1024);  // <16, 6>
  // Bounds are drawn in to what can occur: |x| ≤ 2, so −2.75 … 1.25 behind g = 1, h = −0.75.
  CHECK(carrier.low >= -2.76 * 1024);
  CHECK(carrier.high <= 1.26 * 1024);
}

}  // namespace
}  // namespace bitsweep::integer
