#include "graph/graph.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "blocks.h"
#include "core/error.h"
#include "graph/layers.h"
#include "graph/listing.h"
#include "graph/parameters.h"

using namespace bitsweep;
using namespace bitsweep::graph;
using namespace bitsweep::graph::testing;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

struct OneInput {
  Graph g{"net"};
  NodeId x;
  explicit OneInput(Shape shape) : x(g.add_input("input", shape)) {}
};

// Output of one node that reads an input of `shape`.
Shape shape_after(Shape shape, Attributes attributes) {
  OneInput net(shape);
  return net.g.node(net.g.add("node", std::move(attributes), {net.x})).output;
}

// The refusal of one node that reads an input of `shape`.
std::string refusal(Shape shape, Attributes attributes) {
  try {
    shape_after(shape, std::move(attributes));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

Convolution reading(std::int64_t in_channels, Convolution conv) {
  conv.in_channels = in_channels;
  return conv;
}

Pool max_pool(int kernel, int stride, int padding, bool ceil_mode) {
  Pool pool;
  pool.kernel = {kernel, kernel};
  pool.stride = {stride, stride};
  pool.padding = Padding::all(padding);
  pool.ceil_mode = ceil_mode;
  return pool;
}

}  // namespace

TEST_CASE("convolutions have PyTorch's output shapes, dilation and asymmetric padding included") {
  CHECK(shape_after({3, 32, 32}, reading(3, convolution(16, 3, 3, 1, Padding::all(1)))) ==
        Shape{16, 32, 32});
  CHECK(shape_after({3, 32, 32}, reading(3, convolution(16, 3, 3, 2, Padding::all(1)))) ==
        Shape{16, 16, 16});
  CHECK(shape_after({3, 7, 9}, reading(3, convolution(4, 1, 7, 1, Padding{0, 3, 0, 3}))) ==
        Shape{4, 7, 9});
  CHECK(shape_after({3, 224, 224}, reading(3, convolution(8, 3, 3, 2, Padding{0, 0, 1, 1}))) ==
        Shape{8, 112, 112});
  Convolution dilated = reading(3, convolution(8, 3, 3));
  dilated.dilation = {2, 3};
  CHECK(shape_after({3, 10, 10}, dilated) == Shape{8, 6, 4});
}

TEST_CASE("pools round up in ceil mode but never start a window behind the input") {
  CHECK(shape_after({64, 112, 112}, max_pool(3, 2, 1, false)) == Shape{64, 56, 56});
  CHECK(shape_after({64, 113, 113}, max_pool(3, 2, 0, true)) == Shape{64, 56, 56});
  CHECK(shape_after({64, 112, 112}, max_pool(3, 2, 0, true)) == Shape{64, 56, 56});
  CHECK(shape_after({64, 112, 112}, max_pool(3, 2, 0, false)) == Shape{64, 55, 55});
  CHECK(shape_after({1, 5, 5}, max_pool(2, 3, 0, true)) == Shape{1, 2, 2});
  CHECK(shape_after({1, 4, 4}, max_pool(1, 3, 0, true)) == Shape{1, 2, 2});
  CHECK(shape_after({1, 3, 3}, max_pool(2, 4, 1, true)) == Shape{1, 1, 1});
}

TEST_CASE("shortcuts, flattening and global pooling have the shapes of their definitions") {
  CHECK(shape_after({16, 32, 32}, ZeroPadShortcut{2, 8, 8}) == Shape{32, 16, 16});
  CHECK(shape_after({16, 7, 5}, ZeroPadShortcut{2, 0, 16}) == Shape{32, 4, 3});
  CHECK(shape_after({16, 7, 5}, Flatten{}) == Shape{16 * 35});
  CHECK(shape_after({16, 7, 5}, GlobalAveragePool{}) == Shape{16});
}

TEST_CASE("nodes that do not fit are refused with network, operation, name and shapes") {
  CHECK_THAT(refusal({3, 8, 8}, reading(4, convolution(8, 3, 3))),
             ContainsSubstring("net: conv 'node' reads 3x8x8, expected 4 channels"));
  CHECK_THAT(refusal({3, 8, 8}, reading(3, convolution(8, 9, 9))),
             ContainsSubstring("a window of 9 does not fit 8 padded to 8"));
  Convolution grouped = reading(3, convolution(8, 3, 3));
  grouped.groups = 2;
  CHECK_THAT(refusal({3, 8, 8}, grouped), ContainsSubstring("2 groups"));
  CHECK_THAT(refusal({3, 8, 8}, reading(3, convolution(0, 3, 3))),
             ContainsSubstring("out_channels is 0"));
  CHECK_THAT(refusal({3, 8, 8}, reading(3, convolution(8, 3, 3, 0))),
             ContainsSubstring("stride is 0"));
  CHECK_THAT(refusal({3, 8, 8}, reading(3, convolution(8, 3, 3, 1, Padding{0, -1, 0, 0}))),
             ContainsSubstring("padding is 0,-1,0,0"));
  CHECK_THAT(refusal({3, 8, 8}, Linear{.in_features = 192, .out_features = 10}),
             ContainsSubstring("reads 3x8x8, expected a vector of 192"));
  CHECK_THAT(refusal({1 << 20}, Linear{.in_features = 1 << 20, .out_features = 1 << 20}),
             ContainsSubstring("weights"));
  CHECK_THAT(refusal({3, 8, 8}, BatchNorm{.features = 4}),
             ContainsSubstring("expected 4 channels"));
  CHECK_THAT(refusal({3, 8, 8}, BatchNorm{.features = 3, .eps = 0}), ContainsSubstring("eps"));
  CHECK_THAT(refusal({3, 8, 8}, max_pool(3, 2, 2, false)),
             ContainsSubstring("pads more than half its kernel"));
  CHECK_THAT(refusal({3, 8, 8}, Add{}), ContainsSubstring("has 1 inputs, expected 2"));
  CHECK_THAT(refusal({3, 8, 8}, Concat{}), ContainsSubstring("expected 2 or more"));
  CHECK_THAT(refusal({3, 8, 8}, Dropout{1.0}), ContainsSubstring("probability is 1"));
}

TEST_CASE("sums, products and concatenations need inputs that fit each other") {
  OneInput net({4, 8, 8});
  const NodeId pooled = net.g.add("pooled", GlobalAveragePool{}, {net.x});
  const NodeId wide = net.g.add("wide", reading(4, convolution(6, 1, 1)), {net.x});
  CHECK_THROWS_MATCHES(net.g.add("add", Add{}, {net.x, wide}), ConfigError,
                       MessageMatches(ContainsSubstring("adds 4x8x8 and 6x8x8")));
  CHECK_THROWS_MATCHES(net.g.add("mul", Multiply{}, {wide, pooled}), ConfigError,
                       MessageMatches(ContainsSubstring("multiplies 6x8x8 by 4")));
  CHECK_THROWS_AS(net.g.add("concat", Concat{}, {net.x, pooled}), ConfigError);
  const NodeId scaled = net.g.add("mul", Multiply{}, {net.x, pooled});
  CHECK(net.g.node(scaled).output == Shape{4, 8, 8});
  const NodeId joined = net.g.add("concat", Concat{}, {net.x, wide, scaled});
  CHECK(net.g.node(joined).output == Shape{14, 8, 8});
}

TEST_CASE("names are unique, inputs come first, and a node reads earlier nodes") {
  OneInput net({4, 8, 8});
  net.g.add("relu", Activation{}, {net.x});
  CHECK_THROWS_MATCHES(net.g.add("relu", Activation{}, {net.x}), ConfigError,
                       MessageMatches(ContainsSubstring("two nodes named 'relu'")));
  CHECK_THROWS_AS(net.g.add("", Activation{}, {net.x}), ConfigError);
  CHECK_THROWS_AS(net.g.add_input("second", {1, 1, 1}), ConfigError);
  CHECK_THROWS_AS(net.g.add("loop", Activation{}, {2}), InternalError);
  CHECK_THROWS_AS(Graph("empty").add_input("input", {3, 0, 8}), ConfigError);
  CHECK(net.g.nodes().size() == 2);
}

TEST_CASE("users are every node that reads a value, in order and once each") {
  OneInput net({4, 8, 8});
  const NodeId a = net.g.add("a", Activation{}, {net.x});
  const NodeId twice = net.g.add("twice", Add{}, {net.x, net.x});
  CHECK(net.g.users(net.x) == std::vector<NodeId>{a, twice});
  CHECK(net.g.users(twice).empty());
  CHECK(net.g.output() == twice);
  CHECK(net.g.find("a") == a);
  CHECK(net.g.find("b") == -1);
}

TEST_CASE("an Inception block joins its four branches") {
  OneInput net({768, 17, 17});
  const NodeId out = inception_block(net.g, net.x);
  CHECK(net.g.node(out).output == Shape{768, 17, 17});
  CHECK(layers(net.g).size() == 8);
}

TEST_CASE("a squeeze-excite block gates channels behind an asymmetrically padded convolution") {
  OneInput net({16, 56, 56});
  const NodeId out = squeeze_excite_block(net.g, net.x, 72, 24);
  CHECK(net.g.node(out).output == Shape{24, 28, 28});
  CHECK(net.g.node(net.g.find("gate")).output == Shape{72});
  CHECK(net.g.node(net.g.find("scale")).output == Shape{72, 28, 28});
}

TEST_CASE("a shortcut-A block adds what it zero-pads") {
  OneInput net({16, 32, 32});
  const NodeId out = shortcut_a_block(net.g, net.x);
  CHECK(net.g.node(out).output == Shape{32, 16, 16});
  CHECK(net.g.users(net.x).size() == 2);
}

TEST_CASE("tensors are named and shaped as in PyTorch state dictionaries") {
  OneInput net({4, 8, 8});
  Convolution grouped = reading(4, convolution(6, 3, 5));
  grouped.groups = 2;
  NodeId x = net.g.add("conv", grouped, {net.x});
  x = net.g.add("bn", BatchNorm{.features = 6}, {x});
  x = net.g.add("pool", GlobalAveragePool{}, {x});
  net.g.add("fc", Linear{.in_features = 6, .out_features = 2}, {x});
  std::vector<std::string> names;
  for (const TensorSpec& spec : tensor_specs(net.g)) names.push_back(spec.name);
  CHECK(names == std::vector<std::string>{"conv.weight", "bn.weight", "bn.bias", "bn.running_mean",
                                          "bn.running_var", "fc.weight", "fc.bias"});
  const auto specs = tensor_specs(net.g);
  CHECK(specs[0].shape == std::vector<std::int64_t>{6, 2, 3, 5});
  CHECK(specs[0].elements() == 180);
  CHECK(specs[5].shape == std::vector<std::int64_t>{2, 6});
  CHECK(specs[2].trainable);
  CHECK_FALSE(specs[3].trainable);
}

TEST_CASE("parameters lie in one buffer, each tensor where its name says") {
  OneInput net({2, 1, 1});
  const NodeId a = net.g.add("a", Linear{.in_features = 2, .out_features = 3}, {net.x});
  net.g.add("b", Linear{.in_features = 3, .out_features = 1, .bias = false}, {a});
  Parameters parameters(net.g);
  CHECK(parameters.flat().size() == 6 + 3 + 3);
  parameters.values("a.bias")[1] = 7;
  CHECK(parameters.flat()[7] == 7);
  CHECK(parameters.values("b.weight").size() == 3);
  CHECK(parameters.contains("a.weight"));
  CHECK_FALSE(parameters.contains("b.bias"));
  CHECK_THROWS_AS(parameters.values("b.bias"), InternalError);
}

TEST_CASE("layer patterns match whole names") {
  const LayerPattern pattern("conv1|layer1\\..*\\.conv[12]", "x.toml:1:1");
  CHECK(pattern.matches("conv1"));
  CHECK(pattern.matches("layer1.0.conv2"));
  CHECK_FALSE(pattern.matches("layer1.0.conv1.extra"));
  CHECK_FALSE(pattern.matches("xconv1"));
  CHECK_FALSE(LayerPattern("conv", "x.toml:1:1").matches("conv1"));
}

TEST_CASE("layer patterns that cannot be meant are refused with their place") {
  CHECK_THROWS_MATCHES(
      LayerPattern("conv(", "x.toml:3:9"), ConfigError,
      MessageMatches(ContainsSubstring("x.toml:3:9") && ContainsSubstring("'conv('")));
  CHECK_THROWS_AS(LayerPattern("[z-a]", "x.toml:3:9"), ConfigError);
  CHECK_THROWS_AS(LayerPattern(std::string(1001, 'a'), "x.toml:3:9"), ConfigError);
  CHECK_THROWS_AS(LayerPattern("(a)\\1", "x.toml:3:9"), ConfigError);  // back reference
}

TEST_CASE("layer patterns that make backtracking matchers explode answer at once") {
  // 2^60 steps for a matcher that backtracks: this test would not end.
  const LayerPattern pattern("(a*)*(a*)*(a|aa)+b", "x.toml:1:1");
  CHECK_FALSE(pattern.matches(std::string(60, 'a')));
}

TEST_CASE("a network's listing names every node with what it reads") {
  OneInput net({16, 32, 32});
  shortcut_a_block(net.g, net.x);
  const std::string text = to_text(net.g);
  CHECK_THAT(text, ContainsSubstring("a.conv") && ContainsSubstring("32x16x16") &&
                       ContainsSubstring("conv 3x3 stride 2 pad 1 (input)"));
  CHECK_THAT(text, ContainsSubstring("add (b.bn, shortcut)"));
  CHECK_THAT(text, ContainsSubstring("zero_pad_shortcut stride 2 channels +8 +8"));
}

TEST_CASE("JSON rows carry counts for every module and widths for layers alone") {
  OneInput net({16, 32, 32});
  shortcut_a_block(net.g, net.x);
  const Counts counts = count(net.g);
  REQUIRE(counts.layers.size() == 4);
  const auto conv = to_json(net.g, counts.layers[0]);
  CHECK(conv.at("name") == "a.conv");
  CHECK(conv.at("op") == "conv");
  CHECK(conv.at("output_shape") == nlohmann::json{32, 16, 16});
  CHECK(conv.at("macs") == 32 * 16 * 16 * 16 * 9);
  CHECK(conv.at("bops") == 32 * 16 * 16 * 16 * 9 * 1024);
  const auto norm = to_json(net.g, counts.layers[1]);
  CHECK(norm.at("parameters") == 64);
  CHECK_FALSE(norm.contains("weight_bits"));
  CHECK(to_json(counts.total).at("bytes") == counts.total.bytes());
  CHECK(to_json(net.g).at("nodes").size() == net.g.nodes().size());
}
