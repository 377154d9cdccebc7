#include "exec/inference.h"

#include <ATen/ops/from_blob.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "exec/device.h"
#include "kernels/device.h"
#include "kernels/philox_math.h"
#include "reference.h"

using namespace bitsweep;
using namespace bitsweep::graph;

namespace {

// Uniform in [−1, 1), but positive for running variances.
void fill(std::span<float> values, std::uint32_t stream, float low = -1.0F) {
  const kernels::RandomStream random{.seed = 1, .stream = stream};
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = low + (1.0F - low) * kernels::uniform01(kernels::random_bits(random, i));
}

Parameters random_parameters(const Graph& graph) {
  Parameters parameters(graph);
  std::uint32_t stream = 1;
  for (const TensorSpec& spec : parameters.specs()) {
    fill(parameters.values(spec.name), stream++, spec.name.ends_with("running_var") ? 0.1F : -1.0F);
  }
  return parameters;
}

std::vector<float> random_images(const Graph& graph, std::int64_t batch) {
  std::vector<float> images(static_cast<std::size_t>(batch * graph.node(0).output.elements()));
  fill(images, 0);
  return images;
}

at::Tensor tensor_of(std::vector<float>& images, const Graph& graph, std::int64_t batch) {
  const Shape& s = graph.node(0).output;
  return at::from_blob(images.data(), {batch, s.channels, s.height, s.width},
                       at::TensorOptions(at::kFloat));
}

// Every node's output, seen by the hook, against the plain loops.
void check_against_reference(const Graph& graph, std::int64_t batch = 3) {
  const Parameters parameters = random_parameters(graph);
  std::vector<float> images = random_images(graph, batch);
  const auto want = testing::evaluate(graph, parameters, images, batch);
  const exec::Inference inference(graph, parameters, at::kCPU);
  std::size_t seen = 0;
  inference.run(tensor_of(images, graph, batch), [&](NodeId id, at::Tensor& value) {
    ++seen;
    const auto& expected = want[static_cast<std::size_t>(id)];
    REQUIRE(value.is_contiguous());
    REQUIRE(value.numel() == static_cast<std::int64_t>(expected.size()));
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      worst = std::max(worst, std::abs(value.const_data_ptr<float>()[i] - expected[i]));
    CAPTURE(graph.node(id).name, worst);
    CHECK(worst < 1e-4);
  });
  CHECK(seen == graph.nodes().size());
}

Graph single(Attributes attributes, Shape input) {
  Graph graph("single");
  graph.add_input("input", input);
  graph.add("node", std::move(attributes), {0});
  return graph;
}

}  // namespace

TEST_CASE("convolutions equal plain loops: strides, groups, dilation, symmetric and TF padding") {
  const bool bias = GENERATE(false, true);
  const auto [groups, stride, dilation] =
      GENERATE(std::array{1, 1, 1}, std::array{1, 2, 1}, std::array{2, 1, 2}, std::array{4, 2, 1});
  const Padding padding =
      GENERATE(Padding{}, Padding::all(1), Padding{0, 0, 1, 1}, Padding{1, 2, 0, 3});
  Convolution conv;
  conv.in_channels = 4;
  conv.out_channels = 8;
  conv.kernel = {3, 2};
  conv.stride = {stride, stride};
  conv.dilation = {dilation, 1};
  conv.groups = groups;
  conv.padding = padding;
  conv.bias = bias;
  check_against_reference(single(conv, {4, 7, 8}));
}

TEST_CASE("pools equal plain loops: ceil mode, asymmetric padding, counted or not") {
  Pool pool;
  pool.kind = GENERATE(PoolKind::max, PoolKind::average);
  pool.kernel = {3, 3};
  pool.stride = {2, 2};
  pool.padding = GENERATE(Padding{}, Padding::all(1), Padding{0, 0, 1, 1});
  pool.ceil_mode = GENERATE(false, true);
  pool.count_include_pad = GENERATE(false, true);
  check_against_reference(single(pool, {2, 8, 9}));
}

TEST_CASE("the remaining operators equal plain loops") {
  SECTION("linear") { check_against_reference(single(Linear{6, 5, true}, {6})); }
  SECTION("linear without bias") { check_against_reference(single(Linear{6, 5, false}, {6})); }
  SECTION("batch norm") { check_against_reference(single(BatchNorm{4, 1e-3, 0.1}, {4, 3, 3})); }
  SECTION("activations") {
    const auto kind =
        GENERATE(ActivationKind::relu, ActivationKind::relu6, ActivationKind::hard_swish,
                 ActivationKind::hard_sigmoid, ActivationKind::hard_sigmoid_fifth);
    check_against_reference(single(Activation{kind}, {4, 3, 3}));
  }
  SECTION("global average pool") {
    check_against_reference(single(GlobalAveragePool{}, {4, 3, 5}));
  }
  SECTION("flatten") { check_against_reference(single(Flatten{}, {4, 3, 5})); }
  SECTION("dropout") { check_against_reference(single(Dropout{0.5}, {4, 3, 5})); }
  SECTION("zero-padded shortcut") {
    check_against_reference(single(ZeroPadShortcut{2, 1, 2}, {3, 6, 6}));
    check_against_reference(single(ZeroPadShortcut{2, 0, 3}, {3, 7, 5}));
  }
}

TEST_CASE("a value with several users is overwritten by none of them") {
  Graph graph("shared");
  const NodeId input = graph.add_input("input", {4, 4, 4});
  const NodeId norm = graph.add("norm", BatchNorm{4}, {input});
  const NodeId relu = graph.add("relu", Activation{}, {norm});
  const NodeId again = graph.add("drop", Dropout{}, {norm});
  const NodeId relu6 = graph.add("relu6", Activation{ActivationKind::relu6}, {again});
  const NodeId twice = graph.add("twice", Add{}, {norm, norm});
  const NodeId sum = graph.add("sum", Add{}, {relu, twice});
  const NodeId gate = graph.add("gate", GlobalAveragePool{}, {sum});
  const NodeId scaled = graph.add("scaled", Multiply{}, {sum, gate});
  const NodeId both = graph.add("both", Concat{}, {scaled, relu6, norm});
  graph.add("last", Activation{}, {both});
  check_against_reference(graph);
}

TEST_CASE("the caller's images are left as they were") {
  const Graph graph = single(Activation{}, {4, 3, 3});
  const Parameters parameters(graph);
  std::vector<float> images = random_images(graph, 2);
  const std::vector<float> before = images;
  exec::Inference(graph, parameters, at::kCPU).run(tensor_of(images, graph, 2));
  CHECK(images == before);
}

TEST_CASE("a hook may overwrite a value, and a skipped node passes it on") {
  Graph graph("hooked");
  const NodeId input = graph.add_input("input", {1, 1, 2});
  const NodeId norm = graph.add("norm", BatchNorm{1}, {input});
  graph.add("relu", Activation{}, {norm});
  const Parameters parameters(graph);
  std::vector<float> images = {1, 2};
  const auto run = [&](std::vector<bool> skipped) {
    const exec::Inference inference(graph, parameters, at::kCPU, std::move(skipped));
    return inference.run(tensor_of(images, graph, 1), [&](NodeId id, at::Tensor& value) {
      if (id == norm) value.fill_(-7);
    });
  };
  CHECK(run({}).const_data_ptr<float>()[0] == 0);
  CHECK(run({false, false, true}).const_data_ptr<float>()[0] == -7);
}

TEST_CASE("a device that is not there is refused in words") {
  CHECK(exec::open_device("cpu").is_cpu());
  CHECK_THROWS_AS(exec::open_device("gpu"), ConfigError);
  CHECK_THROWS_AS(exec::open_device("cuda:x"), ConfigError);
  if (kernels::cuda_available()) SKIP("a CUDA device is there");
  CHECK_THROWS_AS(exec::open_device("cuda:0"), EnvironmentError);
}

TEST_CASE("the fingerprint names library, instruction set and threads") {
  exec::set_threads(1);
  const nlohmann::json print = exec::fingerprint(at::kCPU);
  CHECK(print["libtorch"].get<std::string>().starts_with("2."));
  CHECK(print["device"] == "cpu");
  CHECK(print["threads"] == 1);
  CHECK(print["instruction_set"].get<std::string>().size() > 3);
}
