#include "exec/training.h"

#include <ATen/ATen.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "autograd.h"
#include "config/trial.h"
#include "exec/device.h"
#include "kernels/device.h"
#include "kernels/philox_math.h"
#include "models/model.h"

using namespace bitsweep;
using namespace bitsweep::graph;
using quant::Place;
using quant::QuantizerSite;
using quant::SitePlan;

namespace {

void fill(std::span<float> values, std::uint32_t stream, float low, float high) {
  const kernels::RandomStream random{.seed = 7, .stream = stream};
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = low + (high - low) * kernels::uniform01(kernels::random_bits(random, i));
  }
}

Parameters random_parameters(const Graph& graph) {
  Parameters parameters(graph);
  std::uint32_t stream = 1;
  for (const TensorSpec& spec : parameters.specs()) {
    const bool positive = spec.name.ends_with("running_var");
    fill(parameters.values(spec.name), stream++, positive ? 0.2F : -1.0F, 1.0F);
  }
  return parameters;
}

at::Tensor random_tensor(std::vector<std::int64_t> shape, std::uint32_t stream) {
  at::Tensor out = at::empty(shape, at::TensorOptions(at::kFloat));
  fill({out.mutable_data_ptr<float>(), static_cast<std::size_t>(out.numel())}, stream, -2, 2);
  return out;
}

enum class Measure {
  worst,  // the largest difference, of the largest value
  norm,  // ||ours − oracle|| / ||oracle||: a ReLU whose input is 0 but for rounding may go either
         // way, and moves a few gradients of a deep network
};

// least: what a norm counts for at least; a gradient that is 0 but for rounding has none.
double difference(const at::Tensor& ours, const at::Tensor& oracle, Measure measure,
                  double least = 1e-3) {
  REQUIRE(ours.numel() == oracle.numel());
  if (ours.numel() == 0) return 0;
  const at::Tensor want = oracle.detach();
  const at::Tensor off = ours.to(at::kDouble).reshape(want.sizes()) - want;
  if (measure == Measure::norm) {
    return off.norm().item<double>() / std::max(least, want.norm().item<double>());
  }
  return off.abs().max().item<double>() / std::max(1.0, want.abs().max().item<double>());
}

struct Options {
  std::int64_t batch = 3;
  bool training = true;
  // Of the largest value. float32 sums of a few thousand products.
  double tolerance = 2e-5;
  Measure measure = Measure::worst;
};

// Values of the output, running statistics, and the gradients of every parameter, of every α and
// of the input, for a random gradient at the output.
void check_against_autograd(const Graph& graph, const SitePlan& sites = {}, Options options = {}) {
  const Parameters parameters = random_parameters(graph);
  const Shape& shape = graph.node(0).output;
  const at::Tensor images =
      random_tensor({options.batch, shape.channels, shape.height, shape.width}, 900);
  std::map<std::string, double> alphas;
  for (const QuantizerSite& site : sites.sites) {
    if (site.place != Place::output) continue;
    if (site.quantizer == "pact" || site.quantizer == "mpact" || site.quantizer == "lsq") {
      alphas[graph.node(site.node).name] = site.alpha_init;
    }
  }
  auto oracle = testing::run_oracle(graph, parameters, sites, alphas, images, options.training);
  const at::Tensor out = oracle.values.back();
  const at::Tensor grad = random_tensor({options.batch, out.numel() / options.batch}, 901);
  out.flatten(1).backward(grad.to(at::kDouble));

  exec::Training training(graph, sites, config::Precision::fp32, at::kCPU);
  training.load(parameters);
  training.want_input_gradient(true);
  const at::Tensor y =
      training.forward(images.contiguous(at::MemoryFormat::ChannelsLast),
                       options.training ? exec::NormMode::train : exec::NormMode::evaluate);
  CHECK(difference(training.value(graph.output()), out, options.measure) < options.tolerance);
  CHECK(y.size(0) == options.batch);
  const at::Tensor grad_map = grad.view(out.sizes()).contiguous(at::MemoryFormat::ChannelsLast);
  training.backward(grad_map.flatten(1));
  CHECK(difference(training.input_gradient(), oracle.images.grad(), options.measure) <
        options.tolerance);
  Parameters after(graph);
  training.store(after);
  // A bias in front of a norm has no gradient, in exact arithmetic.
  const double least = std::max(1e-3, 1e-4 * training.gradients().norm().item<double>());
  std::int64_t offset = 0;
  for (const TensorSpec& spec : parameters.specs()) {
    CAPTURE(spec.name);
    const at::Tensor& want = oracle.tensors.at(spec.name);
    if (spec.trainable) {
      const at::Tensor ours = training.gradients().narrow(0, offset, spec.elements());
      CHECK(difference(ours, want.grad(), options.measure, least) < options.tolerance);
    } else {
      const at::Tensor ours = training.parameters().narrow(0, offset, spec.elements());
      CHECK(difference(ours, want, options.measure) < options.tolerance);
    }
    offset += spec.elements();
  }
  for (std::size_t i = 0; i < training.alpha_names().size(); ++i) {
    CAPTURE(training.alpha_names()[i]);
    const at::Tensor want = oracle.tensors.at(training.alpha_names()[i] + ".alpha").grad();
    CHECK(difference(training.alpha_gradients().narrow(0, static_cast<std::int64_t>(i), 1),
                     want.reshape({1}), options.measure) < options.tolerance);
  }
}

Graph single(Attributes attributes, Shape input, int inputs = 1) {
  Graph graph("single");
  graph.add_input("input", input);
  std::vector<NodeId> from(static_cast<std::size_t>(inputs), 0);
  graph.add("node", std::move(attributes), from);
  return graph;
}

QuantizerSite output_site(NodeId node, std::string quantizer, int bits, double alpha = 1.1) {
  QuantizerSite site;
  site.place = Place::output;
  site.node = node;
  site.quantizer = std::move(quantizer);
  site.bits = bits;
  site.alpha_init = alpha;
  site.clip = 1.3;
  site.clamp_factor = 0.4;
  return site;
}

QuantizerSite weight_site(NodeId node, std::string quantizer, int bits) {
  QuantizerSite site;
  site.place = Place::weight;
  site.node = node;
  site.quantizer = std::move(quantizer);
  site.bits = bits;
  return site;
}

}  // namespace

TEST_CASE("convolution gradients equal autograd: kernels, strides, groups, dilation, padding") {
  struct Row {
    std::int64_t in, out;
    std::array<int, 2> kernel, stride;
    Padding padding;
    std::array<int, 2> dilation;
    std::int64_t groups;
    bool bias;
  };
  const Row row = GENERATE(Row{3, 16, {3, 3}, {1, 1}, Padding::all(1), {1, 1}, 1, false},
                           Row{16, 24, {1, 1}, {2, 2}, {}, {1, 1}, 1, true},
                           Row{8, 8, {3, 3}, {1, 1}, Padding::all(1), {1, 1}, 8, false},
                           Row{8, 16, {3, 3}, {2, 2}, Padding::all(1), {1, 1}, 8, true},
                           Row{6, 9, {3, 3}, {1, 1}, Padding::all(1), {1, 1}, 3, false},
                           Row{4, 5, {3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 1, true},
                           Row{4, 4, {3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 4, false},
                           Row{5, 7, {3, 3}, {1, 1}, Padding::all(2), {2, 2}, 1, false},
                           Row{4, 8, {2, 2}, {2, 2}, {}, {1, 1}, 1, false},
                           Row{3, 4, {1, 5}, {1, 1}, {0, 2, 0, 2}, {1, 1}, 1, true},
                           Row{3, 4, {5, 5}, {3, 2}, {2, 1, 1, 2}, {1, 1}, 1, false});
  const std::int64_t size = GENERATE(7, 8);
  CAPTURE(row.in, row.out, row.groups, size);
  check_against_autograd(single(Convolution{.in_channels = row.in,
                                            .out_channels = row.out,
                                            .kernel = row.kernel,
                                            .stride = row.stride,
                                            .padding = row.padding,
                                            .dilation = row.dilation,
                                            .groups = row.groups,
                                            .bias = row.bias},
                                {row.in, size, size}));
}

TEST_CASE("linear gradients equal autograd, with and without bias") {
  const bool bias = GENERATE(false, true);
  check_against_autograd(
      single(Linear{.in_features = 13, .out_features = 10, .bias = bias}, {13, 1, 1}));
}

TEST_CASE("batch norm equals autograd in training and evaluation") {
  const bool training = GENERATE(true, false);
  const std::int64_t channels = GENERATE(1, 3, 16, 300);
  const std::int64_t size = GENERATE(1, 5);
  CAPTURE(training, channels, size);
  check_against_autograd(single(BatchNorm{.features = channels}, {channels, size, size}), {},
                         {.batch = 5, .training = training, .tolerance = 1e-4});
}

TEST_CASE("every nonlinearity equals autograd") {
  const auto kind =
      GENERATE(ActivationKind::relu, ActivationKind::relu6, ActivationKind::hard_swish,
               ActivationKind::hard_sigmoid, ActivationKind::hard_sigmoid_fifth);
  Graph graph("nonlinearity");
  graph.add_input("input", {4, 5, 3});
  // Spreads values over all branches.
  graph.add("norm", BatchNorm{.features = 4}, {0});
  graph.add("conv",
            Convolution{
                .in_channels = 4, .out_channels = 6, .kernel = {3, 3}, .padding = Padding::all(1)},
            {1});
  graph.add("node", Activation{kind}, {2});
  check_against_autograd(graph, {}, {.batch = 4, .tolerance = 1e-4});
}

TEST_CASE("sums, products and concatenations equal autograd, also of a value with itself") {
  SECTION("add itself") { check_against_autograd(single(Add{}, {3, 4, 4}, 2)); }
  SECTION("multiply itself") { check_against_autograd(single(Multiply{}, {3, 4, 4}, 2)); }
  SECTION("concat itself") { check_against_autograd(single(Concat{}, {3, 4, 4}, 3)); }
  SECTION("squeeze and excite") {
    Graph graph("se");
    graph.add_input("input", {4, 5, 5});
    graph.add("pool", GlobalAveragePool{}, {0});
    graph.add("fc", Convolution{.in_channels = 4, .out_channels = 4, .bias = true}, {1});
    graph.add("gate", Activation{ActivationKind::hard_sigmoid}, {2});
    graph.add("scale", Multiply{}, {0, 3});
    check_against_autograd(graph);
  }
  SECTION("concat of two branches") {
    Graph graph("fire");
    graph.add_input("input", {4, 5, 5});
    graph.add("a", Convolution{.in_channels = 4, .out_channels = 3}, {0});
    graph.add(
        "b",
        Convolution{
            .in_channels = 4, .out_channels = 5, .kernel = {3, 3}, .padding = Padding::all(1)},
        {0});
    graph.add("relu", Activation{}, {2});
    graph.add("cat", Concat{}, {1, 3});
    check_against_autograd(graph);
  }
}

TEST_CASE("pools equal autograd: windows, strides, padding, ceil mode") {
  const auto kind = GENERATE(PoolKind::max, PoolKind::average);
  const bool include = GENERATE(true, false);
  struct Row {
    int kernel, stride;
    Padding padding;
    bool ceil;
  };
  const Row row =
      GENERATE(Row{2, 2, {}, false}, Row{3, 2, Padding::all(1), false}, Row{3, 2, {}, true},
               Row{3, 2, {0, 0, 1, 1}, false}, Row{8, 1, {}, false});
  CAPTURE(kind, include, row.kernel, row.padding.top, row.padding.bottom, row.ceil);
  check_against_autograd(single(Pool{.kind = kind,
                                     .kernel = {row.kernel, row.kernel},
                                     .stride = {row.stride, row.stride},
                                     .padding = row.padding,
                                     .ceil_mode = row.ceil,
                                     .count_include_pad = include},
                                {5, 8, 8}));
}

TEST_CASE("global pool, zero-padded shortcut, flatten equal autograd") {
  check_against_autograd(single(GlobalAveragePool{}, {5, 4, 6}));
  check_against_autograd(
      single(ZeroPadShortcut{.stride = 2, .channels_before = 2, .channels_after = 3}, {4, 6, 7}));
  Graph graph("flat");
  graph.add_input("input", {3, 4, 4});
  graph.add("flatten", Flatten{}, {0});
  graph.add("fc", Linear{.in_features = 48, .out_features = 5}, {1});
  check_against_autograd(graph);
}

TEST_CASE("weight quantizers in a layer equal straight-through autograd") {
  const std::string quantizer = GENERATE("tanh_symmetric", "dorefa");
  const int bits = GENERATE(3, 4, 6, 8, 16);
  CAPTURE(quantizer, bits);
  Graph graph = single(
      Convolution{
          .in_channels = 4, .out_channels = 6, .kernel = {3, 3}, .padding = Padding::all(1)},
      {4, 6, 6});
  SitePlan sites;
  sites.sites = {weight_site(1, quantizer, bits)};
  check_against_autograd(graph, sites, {.tolerance = 1e-4});
}

TEST_CASE("activation quantizers behind norm, sum and ReLU equal straight-through autograd") {
  const std::string quantizer = GENERATE("dorefa_clamp", "pact_fixed", "pact", "mpact");
  const int bits = GENERATE(4, 8);
  const bool training = GENERATE(true, false);
  CAPTURE(quantizer, bits, training);
  Graph graph("block");
  graph.add_input("input", {8, 6, 6});
  graph.add("conv1",
            Convolution{
                .in_channels = 8, .out_channels = 8, .kernel = {3, 3}, .padding = Padding::all(1)},
            {0});
  graph.add("bn1", BatchNorm{.features = 8}, {1});
  graph.add("relu1", Activation{}, {2});
  graph.add("conv2", Convolution{.in_channels = 8, .out_channels = 8}, {3});
  graph.add("bn2", BatchNorm{.features = 8}, {4});
  graph.add("add", Add{}, {5, 0});
  graph.add("relu2", Activation{}, {6});
  SitePlan sites;
  sites.sites = {output_site(3, quantizer, bits), output_site(7, quantizer, bits, 0.9)};
  // One value at a rounding boundary may fall on the other side of it in float32.
  check_against_autograd(graph, sites,
                         {.batch = 2, .training = training, .tolerance = bits == 4 ? 2e-2 : 5e-3});
}

TEST_CASE("learned steps behind norm, sum and ReLU equal the autograd of LSQ") {
  const int bits = GENERATE(2, 4, 8);
  const bool training = GENERATE(true, false);
  const bool is_unsigned = GENERATE(true, false);
  CAPTURE(bits, training, is_unsigned);
  Graph graph("block");
  graph.add_input("input", {8, 6, 6});
  graph.add("conv1", Convolution{.in_channels = 8, .out_channels = 8}, {0});
  graph.add("bn1", BatchNorm{.features = 8}, {1});
  graph.add("relu1", Activation{}, {2});
  graph.add("conv2", Convolution{.in_channels = 8, .out_channels = 8}, {3});
  graph.add("bn2", BatchNorm{.features = 8}, {4});
  graph.add("add", Add{}, {5, 0});
  // A step between the codes' ends: some values are clamped.
  const double step = 1.5 / std::pow(2.0, bits - 1);
  SitePlan sites;
  sites.sites = {output_site(0, "lsq", bits, step), output_site(3, "lsq", bits, step),
                 output_site(6, "lsq", bits, step)};
  sites.sites[1].half_range = is_unsigned;
  // One value at a rounding boundary may fall on the other side of it in float32.
  check_against_autograd(graph, sites,
                         {.batch = 2, .training = training, .tolerance = bits == 8 ? 5e-3 : 2e-2});
}

TEST_CASE("a learned step begins at 2 mean|x| / sqrt(qmax) of the first batch and moves nothing") {
  Graph graph("steps");
  graph.add_input("input", {4, 6, 6});
  graph.add("bn", BatchNorm{.features = 4}, {0});
  graph.add("relu", Activation{}, {1});
  SitePlan sites;
  sites.sites = {output_site(0, "lsq", 4, 0), output_site(2, "lsq", 3, 0)};
  sites.sites[1].half_range = true;
  exec::Training training(graph, sites, config::Precision::fp32, at::kCPU);
  training.load(random_parameters(graph));
  const at::Tensor before = training.parameters().clone();
  const at::Tensor images =
      random_tensor({5, 4, 6, 6}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  training.find_steps(images);
  CHECK(at::equal(training.parameters(), before));
  const auto expected = [](const at::Tensor& x, double qmax) {
    return 2 * x.to(at::kDouble).abs().mean().item<double>() / std::sqrt(qmax);
  };
  const at::Tensor found = training.alphas().clone();
  CHECK(std::abs(found[0].item<double>() - expected(images, 7)) < 1e-6);
  training.forward(images, exec::NormMode::train);
  const double of_relu = expected(training.value(2, /*raw=*/true), 7);  // 2^3 − 1, unsigned
  CHECK(std::abs(found[1].item<double>() - of_relu) < 1e-6);
  training.find_steps(images.mul(2));  // found steps stay
  CHECK(at::equal(training.alphas(), found));
}

TEST_CASE("quantized gradients go into both products of a layer, and are drawn by seed and step") {
  const int bits = GENERATE(2, 6);
  CAPTURE(bits);
  Graph graph =
      single(Convolution{.in_channels = 3, .out_channels = 5, .kernel = {3, 3}}, {3, 6, 6});
  const Parameters parameters = random_parameters(graph);
  const at::Tensor images =
      random_tensor({4, 3, 6, 6}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor grad =
      random_tensor({4, 5, 4, 4}, 901).contiguous(at::MemoryFormat::ChannelsLast);
  QuantizerSite site;
  site.place = Place::gradient;
  site.node = 1;
  site.bits = bits;
  const auto gradients_at = [&](exec::StepAddress address) {
    exec::Training training(graph, {.sites = {site}, .unquantized_outputs = {}},
                            config::Precision::fp32, at::kCPU);
    training.load(parameters);
    training.want_input_gradient(true);
    training.forward(images, exec::NormMode::train, address);
    training.backward(grad.flatten(1));
    return std::pair(training.gradients().clone(), training.input_gradient().clone());
  };
  const auto [weight, input] = gradients_at({.seed = 3, .step = 8});

  // Zhou 2016, eq. 12, in float64 and written from the paper; the noise is the executor's stream.
  const kernels::RandomStream random{.seed = 3, .stream = 0x20000, .step = 8};
  at::Tensor noise = at::empty({4, 4, 4, 5}, at::kDouble);
  for (std::int64_t i = 0; i < noise.numel(); ++i) {
    noise.mutable_data_ptr<double>()[i] =
        static_cast<double>(
            kernels::uniform01(kernels::random_bits(random, static_cast<std::uint64_t>(i)))) -
        0.5;
  }
  const double n = std::pow(2.0, bits) - 1;
  const at::Tensor g = grad.to(at::kDouble);
  const at::Tensor m = g.abs().amax({1, 2, 3}, true);
  const at::Tensor code =
      ((g / (2 * m) + 0.5) * n + noise.permute({0, 3, 1, 2})).round().clamp(0, n);
  const at::Tensor quantized = 2 * m * (code / n - 0.5);
  auto oracle = testing::run_oracle(graph, parameters, {}, {}, images, true);
  oracle.values.back().backward(quantized);
  CHECK(difference(weight, oracle.tensors.at("node.weight").grad().flatten(), Measure::worst) <
        2e-5);
  CHECK(difference(input, oracle.images.grad(), Measure::worst) < 2e-5);

  CHECK(at::equal(gradients_at({.seed = 3, .step = 8}).first, weight));
  CHECK_FALSE(at::equal(gradients_at({.seed = 3, .step = 9}).first, weight));
  CHECK_FALSE(at::equal(gradients_at({.seed = 4, .step = 8}).first, weight));
}

TEST_CASE("batch norms in fixed point equal straight-through autograd and are what was asked for") {
  // The last has too few integer bits for some shifts, which saturate.
  const auto format =
      GENERATE(kernels::FixedPoint{32, 16}, kernels::FixedPoint{12, 4}, kernels::FixedPoint{8, 2});
  const bool training = GENERATE(true, false);
  CAPTURE(format.bits, format.integer_bits, training);
  Graph graph("block");
  graph.add_input("input", {6, 5, 5});
  graph.add("conv", Convolution{.in_channels = 6, .out_channels = 8}, {0});
  graph.add("bn", BatchNorm{.features = 8}, {1});
  graph.add("add", Add{}, {2, 1});
  SitePlan sites;
  sites.batch_norm = format;
  check_against_autograd(graph, sites, {.training = training, .tolerance = 1e-4});
}

TEST_CASE("a batch norm in fixed point of 8 bits is another than in float32") {
  Graph graph = single(BatchNorm{.features = 4}, {4, 3, 3});
  const Parameters parameters = random_parameters(graph);
  const at::Tensor images =
      random_tensor({2, 4, 3, 3}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  const auto output = [&](std::optional<kernels::FixedPoint> format) {
    SitePlan sites;
    sites.batch_norm = format;
    exec::Training training(graph, sites, config::Precision::fp32, at::kCPU);
    training.load(parameters);
    return training.forward(images, exec::NormMode::evaluate);
  };
  const at::Tensor plain = output(std::nullopt);
  CHECK(difference(output(kernels::FixedPoint{32, 8}), plain, Measure::worst) < 1e-6);
  const double coarse = difference(output(kernels::FixedPoint{8, 3}), plain, Measure::worst);
  CHECK(coarse > 1e-3);
  CHECK(coarse < 0.1);  // half a step of 1/32 in scale and shift, |x| up to 2
}

TEST_CASE("quantizers stand on inputs, layers, norms, sums and pools alike") {
  Graph graph("sites");
  graph.add_input("input", {4, 6, 6});
  graph.add("conv",
            Convolution{
                .in_channels = 4, .out_channels = 4, .kernel = {3, 3}, .padding = Padding::all(1)},
            {0});
  graph.add("bn", BatchNorm{.features = 4}, {1});
  graph.add("add", Add{}, {2, 0});
  graph.add("pool", GlobalAveragePool{}, {3});
  graph.add("fc", Linear{.in_features = 4, .out_features = 3}, {4});
  for (const NodeId node : {0, 1, 2, 3, 4, 5}) {
    CAPTURE(graph.node(node).name);
    SitePlan sites;
    sites.sites = {output_site(node, "mpact", 8, 0.7)};
    check_against_autograd(graph, sites, {.tolerance = 5e-3});
  }
}

TEST_CASE("whole networks equal autograd") {
  struct Row {
    const char* name;
    const char* shortcut;
    std::optional<std::int64_t> image_size;
  };
  const Row row =
      GENERATE(Row{"resnet20", "A", {}}, Row{"resnet20", "B", {}}, Row{"toynet", "", {}},
               Row{"mobilenetv2_cifar", "", {}}, Row{"resnet8", "", {}}, Row{"resnet18", "", 64});
  CAPTURE(row.name, row.shortcut);
  config::ModelConfig config;
  config.name = row.name;
  config.shortcut = row.shortcut;
  config.image_size = row.image_size;
  check_against_autograd(models::build_model(config, 10), {},
                         {.batch = 2, .tolerance = 1e-2, .measure = Measure::norm});
}

TEST_CASE("a step is the same at one thread and at two, but for the convolutions") {
  // Only our own kernels: a chain without layers.
  Graph graph("chain");
  graph.add_input("input", {16, 32, 32});
  graph.add("bn", BatchNorm{.features = 16}, {0});
  graph.add("add", Add{}, {1, 0});
  graph.add("relu", Activation{}, {2});
  SitePlan sites;
  sites.sites = {output_site(3, "mpact", 4)};
  const Parameters parameters = random_parameters(graph);
  const at::Tensor images =
      random_tensor({16, 16, 32, 32}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> results;
  for (const int threads : {1, 2}) {
    exec::set_threads(threads);
    exec::Training training(graph, sites, config::Precision::fp32, at::kCPU);
    training.load(parameters);
    training.want_input_gradient(true);
    const at::Tensor y = training.forward(images, exec::NormMode::train);
    training.backward(y);
    results.push_back(at::cat({y.flatten(), training.gradients().flatten(),
                               training.alpha_gradients(), training.input_gradient().flatten()}));
  }
  exec::set_threads(1);
  CHECK(at::equal(results[0], results[1]));
}

TEST_CASE("a value that is not finite is traced to its node") {
  Graph graph = single(Convolution{.in_channels = 2, .out_channels = 2}, {2, 3, 3});
  exec::Training training(graph, {}, config::Precision::fp32, at::kCPU);
  Parameters parameters = random_parameters(graph);
  training.load(parameters);
  at::Tensor images = random_tensor({1, 2, 3, 3}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  training.forward(images, exec::NormMode::train);
  CHECK_FALSE(training.first_not_finite());
  images.mutable_data_ptr<float>()[0] = INFINITY;
  training.forward(images, exec::NormMode::train);
  CHECK(training.first_not_finite() == "node");
  parameters.values("node.weight")[1] = NAN;
  training.load(parameters);
  CHECK(training.first_not_finite() == "node.weight");
}

TEST_CASE("dropout drops its share, scales what is left, and lets the same gradients through") {
  Graph graph = single(Dropout{.probability = 0.25}, {8, 16, 16});
  exec::Training training(graph, {}, config::Precision::fp32, at::kCPU);
  training.want_input_gradient(true);
  const at::Tensor ones =
      at::ones({4, 8, 16, 16}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor y = training.forward(ones, exec::NormMode::train, {1, 5});
  const double kept = (y > 0).to(at::kDouble).mean().item<double>();
  CHECK(std::abs(kept - 0.75) < 0.02);  // 8,192 draws: 4 standard errors
  CHECK(at::equal(y.masked_select(y > 0), at::full_like(y.masked_select(y > 0), 4.0 / 3)));
  training.backward(at::ones_like(y));
  CHECK(at::equal(training.input_gradient(), training.value(1)));
  CHECK(at::equal(training.forward(ones, exec::NormMode::train, {1, 5}), y));
  CHECK_FALSE(at::equal(training.forward(ones, exec::NormMode::train, {1, 6}), y));
  CHECK_FALSE(at::equal(training.forward(ones, exec::NormMode::train, {2, 5}), y));
  CHECK(at::equal(training.forward(ones, exec::NormMode::evaluate), at::ones_like(y)));
}

TEST_CASE("re-estimated running statistics are the mean over the batches") {
  Graph graph = single(BatchNorm{.features = 3}, {3, 4, 4});
  exec::Training training(graph, {}, config::Precision::fp32, at::kCPU);
  training.load(random_parameters(graph));
  at::Tensor mean = at::zeros({3}, at::kDouble), variance = at::zeros({3}, at::kDouble);
  for (std::uint32_t batch = 0; batch < 3; ++batch) {
    const at::Tensor x = random_tensor({5, 3, 4, 4}, 50 + batch);
    training.forward(x.contiguous(at::MemoryFormat::ChannelsLast), exec::NormMode::reestimate);
    mean += x.to(at::kDouble).mean({0, 2, 3}) / 3;
    variance += x.to(at::kDouble).transpose(0, 1).flatten(1).var(1) / 3;
  }
  CHECK(difference(training.parameters().narrow(0, 6, 3), mean, Measure::worst) < 1e-6);
  CHECK(difference(training.parameters().narrow(0, 9, 3), variance, Measure::worst) < 1e-6);
}

TEST_CASE("bfloat16 follows float32 within its precision") {
  if (!exec::has_bf16()) SKIP("this processor has no bfloat16");
  config::ModelConfig config;
  config.name = "resnet20";
  config.shortcut = "B";
  const Graph graph = models::build_model(config, 10);
  const Parameters parameters = random_parameters(graph);
  const at::Tensor images =
      random_tensor({8, 3, 32, 32}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> logits;
  for (const auto precision : {config::Precision::fp32, config::Precision::bf16}) {
    exec::Training training(graph, {}, precision, at::kCPU);
    training.load(parameters);
    logits.push_back(training.forward(images, exec::NormMode::train));
    CHECK(logits.back().scalar_type() == at::kFloat);
  }
  // 8 bits of mantissa through 20 layers.
  CHECK(difference(logits[1], logits[0], Measure::norm) < 0.1);
  CHECK_FALSE(at::equal(logits[1], logits[0]));
}

TEST_CASE("a training step on the GPU follows the CPU's", "[gpu]") {
  if (!kernels::cuda_available()) SKIP("no CUDA device");
  config::ModelConfig config;
  config.name = "resnet20";
  config.shortcut = "B";
  const Graph graph = models::build_model(config, 10);
  const Parameters parameters = random_parameters(graph);
  const at::Tensor images =
      random_tensor({8, 3, 32, 32}, 900).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor grad = random_tensor({8, 10}, 901);
  SitePlan sites;
  for (NodeId id = 1; id <= graph.output(); ++id) {
    if (graph.node(id).has_weight()) sites.sites.push_back(weight_site(id, "tanh_symmetric", 8));
    if (graph.node(id).as<Activation>() != nullptr) {
      sites.sites.push_back(output_site(id, "mpact", 8, 3));
    }
  }
  std::vector<at::Tensor> results;
  for (const char* name : {"cpu", "cuda"}) {
    const at::Device device = exec::open_device(name);
    exec::Training training(graph, sites, config::Precision::fp32, device);
    training.load(parameters);
    const at::Tensor logits = training.forward(images.to(device), exec::NormMode::train);
    training.backward(grad.to(device));
    results.push_back(at::cat({logits.flatten(), training.gradients(), training.alpha_gradients(),
                               training.parameters()})
                          .cpu());
  }
  // Sums run in another order; a value near a rounding boundary may fall on its other side.
  CHECK(difference(results[1], results[0], Measure::norm) < 2e-2);
}
