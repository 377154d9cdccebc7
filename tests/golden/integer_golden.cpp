// Integer inference: document 002's recipe (facts A.9) on single layers, on a block and on a whole
// ToyNet, and the integer operators of ONNX. Networks are made by integer::build, so that the
// builder's own numbers are compared; where a case says that outputs are exact "given the integers
// as listed", those are put in before the network runs.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/error.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "data/source.h"
#include "golden.h"
#include "integer/build.h"
#include "integer/reference.h"
#include "models/model.h"
#include "quant/scheme.h"

namespace bitsweep::golden {
namespace {

using graph::Graph;
using graph::NodeId;
using integer::Alphas;
using integer::Layer;
using integer::Network;
using kernels::FixedPoint;
using quant::Place;

using Codes = std::vector<std::int32_t>;

FixedPoint format(const Case& golden, const char* bits, const char* integer_bits) {
  return {golden.get<int>(bits), golden.get<int>(integer_bits)};
}

// ---- ap_fixed. ----

Json fixed_type(const Case& golden) {
  const Array v = golden.input("v");
  const FixedPoint fixed = format(golden, "bits", "integer_bits");
  Codes out;
  for (const double value : v.data) {
    out.push_back(kernels::fixed_of(value, fixed, kernels::FixedSaturation::integer_part));
  }
  return {{"fixed", pack(out, v.shape)}};
}

// ---- Networks around what a case holds: an input on mPACT's grid, and a classifier behind. ----

class Assembly {
 public:
  Assembly(const Case& golden, const Array& x)
      : golden_(golden), graph_("golden"), weight_bits_(golden.get<int>("w_bits")) {
    last_ = graph_.add_input("input", {x.shape.at(1), x.shape.at(2), x.shape.at(3)});
  }

  NodeId last() const { return last_; }

  NodeId convolution(const std::string& name, const Array& w, int stride, int padding) {
    const std::int64_t in = graph_.node(last_).output.channels;
    last_ = graph_.add(name,
                       graph::Convolution{.in_channels = in,
                                          .out_channels = w.shape.at(0),
                                          .kernel = {static_cast<int>(w.shape.at(2)),
                                                     static_cast<int>(w.shape.at(3))},
                                          .stride = {stride, stride},
                                          .padding = graph::Padding::all(padding),
                                          .groups = in / w.shape.at(1)},
                       {last_});
    values_[name + ".weight"] = w.floats();
    site(Place::weight, last_, "tanh_symmetric", weight_bits_);
    return last_;
  }

  void norm(const std::string& name, const Array& gamma, const Array& beta, const Array& mean,
            const Array& variance) {
    const double eps = golden_.has("bn_eps") ? golden_.get<double>("bn_eps") : 1e-5;
    last_ = graph_.add(name, graph::BatchNorm{.features = gamma.shape.at(0), .eps = eps}, {last_});
    values_[name + ".weight"] = gamma.floats();
    values_[name + ".bias"] = beta.floats();
    values_[name + ".running_mean"] = mean.floats();
    values_[name + ".running_var"] = variance.floats();
  }

  void relu(const std::string& name) { last_ = graph_.add(name, graph::Activation{}, {last_}); }

  void add(const std::string& name, NodeId other) {
    last_ = graph_.add(name, graph::Add{}, {last_, other});
  }

  // mPACT on the last node.
  void quantize(double alpha, int bits) {
    site(Place::output, last_, "mpact", bits);
    alphas_[graph_.node(last_).name] = alpha;
  }

  Network build(const integer::Settings& settings) {
    const std::int64_t channels = graph_.node(last_).output.channels;
    const NodeId pool = graph_.add("pool", graph::GlobalAveragePool{}, {last_});
    graph_.add("fc", graph::Linear{.in_features = channels, .out_features = 1}, {pool});
    graph::Parameters parameters(graph_);
    for (const auto& [name, values] : values_) {
      std::ranges::copy(values, parameters.values(name).begin());
    }
    return integer::build(graph_, sites_, parameters, alphas_, settings);
  }

 private:
  void site(Place place, NodeId node, const char* quantizer, int bits) {
    quant::QuantizerSite out;
    out.place = place;
    out.node = node;
    out.quantizer = quantizer;
    out.bits = bits;
    sites_.sites.push_back(out);
  }

  const Case& golden_;
  Graph graph_;
  int weight_bits_;
  NodeId last_ = -1;
  quant::SitePlan sites_;
  std::map<std::string, std::vector<float>> values_;
  Alphas alphas_;
};

integer::Settings document(FixedPoint layers, FixedPoint norm) {
  return {.ends = layers, .middle = layers, .norm = norm, .variant = integer::Variant::document};
}

template <class T>
T& step(Network& network, const std::string& name) {
  for (integer::Step& step : network.steps) {
    if (integer::step_name(step) == name && std::holds_alternative<T>(step))
      return std::get<T>(step);
  }
  throw DataError("no step " + name);
}

Codes listed(const Case& golden, const char* name) {
  return read_array(golden.expect.at(name), golden.folder).ints();
}

// The codes of each image of x_int through the network, as [images, …] of the tensor `name`.
Json run(const Network& network, const Array& x, const std::string& name) {
  const auto tensor = std::ranges::find(network.tensors, name, &integer::Tensor::name);
  if (tensor == network.tensors.end()) throw DataError("no tensor " + name);
  const Codes all = x.ints();
  const std::int64_t image = network.input().shape.elements();
  Codes out;
  for (std::int64_t i = 0; i < x.shape.at(0); ++i) {
    const integer::Trace trace = integer::run_reference(
        network, Codes(all.begin() + i * image, all.begin() + (i + 1) * image));
    const Codes& codes = trace.codes[static_cast<std::size_t>(tensor - network.tensors.begin())];
    out.insert(out.end(), codes.begin(), codes.end());
  }
  return pack(out,
              {x.shape.at(0), tensor->shape.channels, tensor->shape.height, tensor->shape.width});
}

// ---- Convolution, batch norm, quantizer. ----

Network layer_network(const Case& golden, bool relu) {
  Assembly parts(golden, golden.input("x_int"));
  parts.quantize(golden.get<double>("alpha_in"), golden.get<int>("a_in_bits"));
  parts.convolution("conv", golden.input("w"), golden.get<int>("stride"),
                    golden.get<int>("padding"));
  parts.norm("bn", golden.input("bn_gamma"), golden.input("bn_beta"), golden.input("bn_mean"),
             golden.input("bn_var"));
  if (relu) parts.relu("relu");
  parts.quantize(golden.get<double>("alpha_out"), golden.get<int>("a_out_bits"));
  const FixedPoint fixed = format(golden, "fixed_bits", "fixed_integer_bits");
  return parts.build(document(fixed, fixed));
}

Json conv_bn_quant(const Case& golden) {
  Network network = layer_network(golden, false);
  const Array x = golden.input("x_int");
  Layer& layer = step<Layer>(network, "conv");
  const auto channels = layer.shape.out_channels;
  const double scale_out = network.tensor(layer.output).scale;
  const double rescale = scale_out / (network.input().scale * layer.weights.scale);
  Json answer = {{"w_int", pack(layer.weights.codes, golden.input("w").shape)},
                 {"G", pack(layer.requantization.multiplier, {channels})},
                 {"H", pack(layer.requantization.offset, {channels})},
                 {"rescale", rescale},
                 {"scale_out", scale_out}};

  const auto as_listed = [&](Network& of) {
    Layer& listed_layer = step<Layer>(of, "conv");
    listed_layer.weights.codes = listed(golden, "w_int");
    listed_layer.requantization.multiplier = listed(golden, "G");
    listed_layer.requantization.offset = listed(golden, "H");
    integer::check(of);
  };
  as_listed(network);
  answer["y"] = run(network, x, "bn");
  Codes sums;
  const Codes all = x.ints();
  const std::int64_t image = network.input().shape.elements();
  for (std::int64_t i = 0; i < x.shape.at(0); ++i) {
    std::vector<std::int64_t> accumulators;
    integer::run_layer(network, layer,
                       std::span(all).subspan(static_cast<std::size_t>(i * image),
                                              static_cast<std::size_t>(image)),
                       {}, &accumulators);
    sums.insert(sums.end(), accumulators.begin(), accumulators.end());
  }
  answer["acc"] = pack(sums, answer["y"]["shape"].get<std::vector<std::int64_t>>());
  if (golden.expect.contains("y_relu")) {
    Network with_relu = layer_network(golden, true);
    as_listed(with_relu);
    answer["y_relu"] = run(with_relu, x, "relu");
  }
  return answer;
}

// ---- The block of ToyNet (facts A.1). ----

Array state(const Case& golden, const std::string& name) {
  return read_array(golden.inputs.at("state").at(name), golden.folder);
}

double alpha(const Case& golden, const char* quantizer) {
  return state(golden, std::string(quantizer) + ".scale_coef").data.at(0);
}

void add_norm(Assembly& parts, const Case& golden, const std::string& name) {
  parts.norm(name, state(golden, name + ".weight"), state(golden, name + ".bias"),
             state(golden, name + ".running_mean"), state(golden, name + ".running_var"));
}

Network block_network(const Case& golden, bool has_down) {
  const int bits = golden.get<int>("a_in_bits");
  Assembly parts(golden, golden.input("x_int"));
  parts.quantize(golden.get<double>("alpha_in"), bits);
  if (has_down) {
    add_norm(parts, golden, "norm");
    parts.convolution("downsample", state(golden, "downsample.weight"), golden.get<int>("stride"),
                      0);
    parts.quantize(alpha(golden, "actq_down"), bits);
  }
  const NodeId identity = parts.last();
  parts.convolution("conv1", state(golden, "conv1.weight"), 1, 1);
  add_norm(parts, golden, "bn1");
  parts.quantize(alpha(golden, "act_quant_in1"), bits);
  parts.convolution("conv2", state(golden, "conv2.weight"), 1, 0);
  parts.relu("relu");
  parts.quantize(alpha(golden, "act_quant_in2"), bits);
  parts.convolution("conv3", state(golden, "conv3.weight"), 1, 0);
  parts.add("add", identity);
  parts.quantize(alpha(golden, "act_quant_out"), golden.get<int>("a_out_bits"));
  return parts.build(document(format(golden, "fixed_bits", "fixed_integer_bits"),
                              format(golden, "pre_bn_bits", "pre_bn_integer_bits")));
}

Json block(const Case& golden) {
  const bool has_down = golden.inputs.at("state").contains("norm.weight");
  Network network = block_network(golden, has_down);
  const Array x = golden.input("x_int");
  Json answer;
  const auto layer = [&](const char* name, const char* key) -> Layer& {
    Layer& out = step<Layer>(network, name);
    answer[key] = pack(out.weights.codes, state(golden, std::string(name) + ".weight").shape);
    out.weights.codes = listed(golden, key);
    return out;
  };
  const auto number = [&](const char* key, std::int32_t& value) {
    answer[key] = value;
    value = golden.expect.at(key).get<std::int32_t>();
  };
  const auto list = [&](const char* key, Codes& values) {
    answer[key] = pack(values, {static_cast<std::int64_t>(values.size())});
    values = listed(golden, key);
  };
  if (has_down) {
    auto& norm = step<integer::Combination>(network, "norm");
    list("pre_G", norm.multipliers[0]);
    list("pre_H", norm.offset);
    number("R_down", layer("downsample", "w_down").requantization.multiplier[0]);
  }
  Layer& conv1 = layer("conv1", "w1");
  list("G1", conv1.requantization.multiplier);
  list("H1", conv1.requantization.offset);
  number("R2", layer("conv2", "w2").requantization.multiplier[0]);
  Layer& conv3 = layer("conv3", "w3");
  number("R3", conv3.requantization.multiplier[0]);
  number("R_identity", conv3.requantization.other_multiplier);
  integer::check(network);

  if (has_down) answer["x_down"] = run(network, x, "downsample");
  answer["x1"] = run(network, x, "bn1");
  answer["x2"] = run(network, x, "relu");
  answer["y"] = run(network, x, "add");
  return answer;
}

// ---- ToyNet as a whole. ----

// The node whose output a quantizer of the source stands on.
std::string node_of_quantizer(const std::string& name) {
  static const std::vector<std::pair<std::string, std::string>> kEnds = {
      {".act_quant_in1", ".bn1"},
      {".act_quant_in2", ".relu"},
      {".actq_down", ".downsample"},
      {".act_quant_bn", ".norm"}};
  if (name == "act_qlast") return "avgpool";
  for (const auto& [end, node] : kEnds) {
    if (name.ends_with(end)) return name.substr(0, name.size() - end.size()) + node;
  }
  const std::string part = name.substr(0, name.size() - std::string(".act_quant_out").size());
  return part + (part.starts_with("cells.") ? ".add" : ".bn");
}

void fill(const Case& golden, graph::Parameters& parameters, Alphas& alphas) {
  const std::vector<double> codes = golden.input("weights_times_256_int8").data;
  auto next = codes.begin();
  for (const Json& entry : golden.inputs.at("weights_order")) {
    for (float& value : parameters.values(entry.at(0).get<std::string>())) {
      value = static_cast<float>(*next++ / 256);
    }
  }
  constexpr std::string_view kAlpha = ".scale_coef";
  for (const auto& [name, value] : golden.inputs.at("other_state").items()) {
    const Array array = read_array(value, golden.folder);
    if (name.ends_with(kAlpha)) {
      alphas[node_of_quantizer(name.substr(0, name.size() - kAlpha.size()))] = array.data.at(0);
    } else {
      std::ranges::copy(array.floats(), parameters.values(name).begin());
    }
  }
}

// One image after the other, [3, 32, 32] each.
std::vector<std::vector<float>> images(const Case& golden) {
  const data::Dataset& dataset = data::datasets().get("cifar10");
  if (!data::find_file(dataset, dataset.test.files.front(), "")) {
    throw Skip{"there is no full CIFAR-10 on this machine"};
  }
  std::vector<std::int64_t> positions;
  for (const Json& index : golden.inputs.at("image_indices")) {
    positions.push_back(index.get<std::int64_t>());
  }
  const data::Images loaded = data::load_images(
      dataset, {data::Split::test, std::ranges::max(positions) + 1, data::Subset::first}, "");
  const data::Normalization normalization =
      data::normalization({.name = "cifar10"}, dataset);  // the means of the case
  std::vector<std::vector<float>> out;
  for (const std::int64_t position : positions) {
    out.emplace_back(static_cast<std::size_t>(dataset.shape.elements()));
    data::normalized_batch(loaded, std::span(&position, 1), normalization, out.back().data());
  }
  return out;
}

constexpr double kLargestInput = 2.8;  // of normalised CIFAR-10

Json toynet(const Case& golden) {
  config::ModelConfig model;
  model.name = "toynet";
  const Graph graph = models::build_model(model, 10);
  config::QuantConfig quant;
  quant.scheme = "dorefa_pact";
  quant.weight.quantizer = "tanh_symmetric";
  quant.activation.quantizer = "mpact";
  quant.weight.bits_per_layer = golden.get<std::vector<int>>("layer_wbit");
  quant.activation.bits_per_layer = golden.get<std::vector<int>>("layer_abit");
  const quant::SitePlan sites = quant::plan_network(graph, quant).sites;
  graph::Parameters parameters(graph);
  Alphas alphas;
  fill(golden, parameters, alphas);
  const Network network =
      integer::build(graph, sites, parameters, alphas,
                     {.ends = {32, 16},
                      .middle = {32, 10},
                      .norm = {32, 10},
                      .variant = integer::Variant::document,
                      .input = integer::image_format(kLargestInput, integer::Variant::document)});

  std::vector<std::string> sums_of = {"stem.bn"};
  for (int i = 0; i < 10; ++i) sums_of.push_back("cells." + std::to_string(i) + ".add");
  const auto position = [&](const std::string& name) {
    return static_cast<std::size_t>(
        std::ranges::find(network.tensors, name, &integer::Tensor::name) - network.tensors.begin());
  };
  std::vector<double> sums(sums_of.size());
  Codes stem, last;
  std::vector<float> logits;
  std::int64_t count = 0;
  for (const std::vector<float>& image : images(golden)) {
    const integer::Trace trace = integer::run_reference(network, image);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      for (const std::int32_t code : trace.codes[position(sums_of[i])]) sums[i] += code;
    }
    const Codes& first = trace.codes[position("stem.bn")];
    if (count++ == 0) stem = first;  // the file holds that of the first image
    const Codes& block = trace.codes[position("cells.9.add")];
    last.insert(last.end(), block.begin(), block.end());
    logits.insert(logits.end(), trace.logits.begin(), trace.logits.end());
  }
  return {{"stem_int", pack(stem, {1, 16, 32, 32})},
          {"last_block_int", pack(last, {count, 64, 8, 8})},
          {"sum_after_stem_and_each_block", sums},
          {"logits_int_path", pack(logits, {count, 10})}};
}

// ---- ONNX: ConvInteger, MatMulInteger, QLinearConv. ----

// [out] from one number or one for each.
std::vector<double> for_each_channel(const Case& golden, const char* name, std::int64_t channels) {
  std::vector<double> out = golden.param(name).data;
  if (out.size() == 1) out.resize(static_cast<std::size_t>(channels), out[0]);
  return out;
}

Codes minus(const Array& a, double zero_point) {
  Codes out = a.ints();
  for (std::int32_t& code : out) code -= static_cast<std::int32_t>(zero_point);
  return out;
}

// A network of one layer, of which run_layer() needs shapes and bounds alone.
struct Alone {
  Network network;
  Layer layer;

  Alone(graph::Shape in, const graph::Convolution& shape, Codes weights) {
    const std::int64_t height =
        (in.height + shape.padding.top + shape.padding.bottom - shape.kernel[0]) / shape.stride[0] +
        1;
    const std::int64_t width =
        (in.width + shape.padding.left + shape.padding.right - shape.kernel[1]) / shape.stride[1] +
        1;
    layer.shape = shape;
    layer.weights.codes = std::move(weights);
    layer.input = 0;
    layer.output = 1;
    layer.requantization.multiplier = {0};
    network.settings.rounding = kernels::FixedRounding::nearest;
    network.tensors = {{.name = "x", .shape = in},
                       {.name = "y", .shape = {shape.out_channels, height, width}}};
  }

  const graph::Shape& output() const { return network.tensors[1].shape; }
};

Alone convolution(const Case& golden) {
  const Array x = golden.input("x"), w = golden.input("w");
  const double zero = golden.has("w_zero_point") ? golden.param("w_zero_point").data.at(0) : 0;
  const int stride = golden.get<int>("stride");
  return {{x.shape.at(1), x.shape.at(2), x.shape.at(3)},
          {.in_channels = x.shape.at(1),
           .out_channels = w.shape.at(0),
           .kernel = {static_cast<int>(w.shape.at(2)), static_cast<int>(w.shape.at(3))},
           .stride = {stride, stride},
           .padding = graph::Padding::all(golden.get<int>("pad")),
           .groups = x.shape.at(1) / w.shape.at(1)},
          minus(w, zero)};
}

// For each image of x: what `one` makes of its codes, all of them one after the other.
Codes over_images(const Case& golden, const Alone& alone,
                  const std::function<Codes(std::span<const std::int32_t>)>& one) {
  const Array x = golden.input("x");
  const Codes codes = minus(x, golden.param("x_zero_point").data.at(0));
  const auto image = static_cast<std::size_t>(alone.network.input().shape.elements());
  Codes out;
  for (std::size_t i = 0; i < codes.size(); i += image) {
    const Codes y = one(std::span(codes).subspan(i, image));
    out.insert(out.end(), y.begin(), y.end());
  }
  return out;
}

std::vector<std::int64_t> batch_shape(const Case& golden, const graph::Shape& shape) {
  return {golden.input("x").shape.at(0), shape.channels, shape.height, shape.width};
}

Json conv_integer(const Case& golden) {
  const Alone alone = convolution(golden);
  const Codes sums = over_images(golden, alone, [&](std::span<const std::int32_t> x) {
    std::vector<std::int64_t> accumulators;
    integer::run_layer(alone.network, alone.layer, x, {}, &accumulators);
    return Codes(accumulators.begin(), accumulators.end());
  });
  return {{"acc", pack(sums, batch_shape(golden, alone.output()))}};
}

// y = zero point + code, the codes bounded so that y stays in its type.
Json qlinear_conv(const Case& golden) {
  Alone alone = convolution(golden);
  const std::int64_t channels = alone.layer.shape.out_channels;
  const auto scales = for_each_channel(golden, "w_scale", channels);
  std::vector<double> bias(static_cast<std::size_t>(channels));
  if (golden.inputs.contains("bias")) bias = golden.input("bias").data;
  const double ratio = golden.get<double>("x_scale") / golden.get<double>("y_scale");

  // As many fraction bits as the largest offset leaves.
  double largest = 1;
  for (std::size_t c = 0; c < bias.size(); ++c) {
    largest = std::max(largest, std::abs(bias[c] * ratio * scales[c]));
  }
  const FixedPoint fixed{32, 2 + static_cast<int>(std::ceil(std::log2(largest)))};
  integer::Requantization& requantization = alone.layer.requantization;
  integer::ChannelAffine affine;
  for (std::size_t c = 0; c < bias.size(); ++c) {
    affine.gain.push_back(scales[c]);
    affine.shift.push_back(bias[c] * scales[c]);
  }
  integer::set_affine(requantization, affine, ratio, ratio, fixed, integer::Variant::corrected);
  const auto zero = golden.get<std::int32_t>("y_zero_point");
  const bool is_unsigned = golden.expect.at("y").at("dtype") == "uint8";
  integer::Tensor& y = alone.network.tensors[1];
  y.low = (is_unsigned ? 0 : -128) - zero;
  y.high = (is_unsigned ? 255 : 127) - zero;
  Codes out = over_images(golden, alone, [&](std::span<const std::int32_t> x) {
    return integer::run_layer(alone.network, alone.layer, x);
  });
  for (std::int32_t& code : out) code += zero;
  return {{"y", pack(out, batch_shape(golden, alone.output()))}};
}

// a·b as a 1×1 convolution over the rows of a.
Json matmul_integer(const Case& golden) {
  const Array a = golden.input("a"), b = golden.input("b");
  const std::int64_t rows = a.shape.at(0), inner = a.shape.at(1), columns = b.shape.at(1);
  const auto zeros = for_each_channel(golden, "b_zero_point", columns);
  const Codes left = minus(a, golden.param("a_zero_point").data.at(0)), right = b.ints();
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  Codes x(left.size()), weights(right.size());
  for (std::int64_t k = 0; k < inner; ++k) {
    for (std::int64_t i = 0; i < rows; ++i) x[at(k * rows + i)] = left[at(i * inner + k)];
    for (std::int64_t j = 0; j < columns; ++j) {
      weights[at(j * inner + k)] =
          right[at(k * columns + j)] - static_cast<std::int32_t>(zeros[at(j)]);
    }
  }
  const Alone alone({inner, rows, 1}, {.in_channels = inner, .out_channels = columns}, weights);
  std::vector<std::int64_t> sums;
  integer::run_layer(alone.network, alone.layer, x, {}, &sums);
  Codes y(sums.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[at(i * columns + j)] = static_cast<std::int32_t>(sums[at(j * rows + i)]);
    }
  }
  return {{"y", pack(y, {rows, columns})}};
}

}  // namespace

void register_integer(Handlers& handlers) {
  const std::string document002 = "doc002_integer_inference", onnx = "onnx_integer_ops";
  handlers.add({.topic = document002, .kinds = {"fixed_type"}, .run = fixed_type});
  handlers.add({.topic = document002, .kinds = {"conv_bn_quant"}, .run = conv_bn_quant});
  handlers.add({.topic = document002, .kinds = {"block"}, .run = block});
  handlers.add({.topic = document002, .kinds = {"toynet"}, .run = toynet});
  handlers.add({.topic = onnx, .kinds = {"conv_integer"}, .run = conv_integer});
  handlers.add({.topic = onnx, .kinds = {"qlinear_conv"}, .run = qlinear_conv});
  handlers.add({.topic = onnx, .kinds = {"matmul_integer"}, .run = matmul_integer});
}

}  // namespace bitsweep::golden
