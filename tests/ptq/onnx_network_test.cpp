// A network of one's own (model.file) through post-training trials.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/settings.h"
#include "exec/device.h"
#include "export/graph_json.h"
#include "ptq/trial.h"
#include "quant/scheme.h"

using namespace bitsweep;
using Keys = std::vector<std::pair<std::string, config::Value>>;

namespace {

// tests/models/make_onnx.py: `Shortcut` as PyTorch exports it.
constexpr const char* kFile = "tests/models/onnx/shortcut.onnx";
constexpr std::int64_t kImages = 64;

config::TrialConfig configuration(const Keys& keys) {
  config::Settings settings;
  for (const auto& [key, value] :
       Keys{{"model.file", kFile},
            {"data.name", "cifar10_small"},
            {"data.test_images", kImages},
            {"quant.scheme", "aciq"},
            {"quant.weight.bits", 4},
            {"quant.activation.bits", 4},
            {"quant.weight.granularity", "channel"},
            {"quant.activation.granularity", "channel"},
            {"quant.weight.bias_correction", "mean"},
            {"quant.calibration.source", "test"},  // no logit of another range
            {"quant.calibration.images", kImages}}) {
    settings.set(key, value, "test");
  }
  for (const auto& [key, value] : keys) settings.set(key, value, "test");
  return config::to_trial(settings);
}

// What a builder would write for `Shortcut`, under the names that the import gives.
graph::Graph built() {
  graph::Graph g("shortcut.onnx");
  const auto convolution = [&](const char* name, graph::NodeId in, int from, int to, int stride) {
    graph::Convolution out;
    out.in_channels = from;
    out.out_channels = to;
    out.kernel = {3, 3};
    out.stride = {stride, stride};
    out.padding = graph::Padding::all(1);
    return g.add(name, out, {in});
  };
  const auto relu = [&](const char* name, graph::NodeId in) {
    return g.add(name, graph::Activation{graph::ActivationKind::relu}, {in});
  };
  graph::NodeId x = g.add_input("input", {3, 32, 32});
  x = convolution("conv1", x, 3, 8, 1);
  x = g.add("bn1", graph::BatchNorm{.features = 8}, {x});
  x = relu("Relu", x);
  graph::NodeId y = convolution("conv2", x, 8, 16, 2);
  y = g.add("bn2", graph::BatchNorm{.features = 16}, {y});
  x = g.add("Pad", graph::ZeroPadShortcut{2, 4, 4}, {x});
  x = g.add("Add", graph::Add{}, {y, x});
  x = relu("Relu_1", x);
  x = g.add("AveragePool", graph::GlobalAveragePool{}, {x});
  x = g.add("Reshape_2", graph::Flatten{}, {x});
  g.add("linear", graph::Linear{.in_features = 16, .out_features = 10}, {x});
  return g;
}

using Logits = std::vector<std::vector<float>>;  // by image

Logits logits_of(const Keys& keys) {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  Logits out(kImages);
  ptq::Listener listener;
  listener.logits = [&](std::int64_t position, std::span<const float> values) {
    out[static_cast<std::size_t>(position)].assign(values.begin(), values.end());
  };
  session.run(configuration(keys), listener);
  return out;
}

double distance(const Logits& a, const Logits& b) {
  double sum = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      sum += std::pow(a[i][k] - b[i][k], 2);
      size += std::pow(a[i][k], 2);
    }
  }
  return std::sqrt(sum / size);
}

}  // namespace

TEST_CASE("an imported network is the one that a builder would write, and is quantized as that") {
  exec::set_threads(1);
  ptq::Preparer preparer(at::kCPU);
  const config::TrialConfig config = configuration({});
  const ptq::Prepared prepared = preparer.prepare(config, {});
  const ptq::Prepared as_is = preparer.prepare(configuration({{"quant.scheme", "none"}}), {});
  CHECK(exporting::graph_to_json(as_is.graph()) == exporting::graph_to_json(built()));
  // A batch norm is folded before the plan, and stays visible behind its layer in neither.
  const quant::SitePlan expected =
      quant::schemes().get("aciq").plan(prepared.graph(), config.quant);
  CHECK(prepared.sites.sites == expected.sites);
  std::vector<std::string> places;
  for (const quant::QuantizerSite& site : prepared.sites.sites) {
    places.push_back(prepared.graph().node(site.node).name +
                     (site.place == quant::Place::weight ? " weight " : " output ") +
                     std::to_string(site.bits) + (site.half_range ? " from 0" : ""));
  }
  CHECK(places == std::vector<std::string>{"conv1 weight 8", "conv1 output 4 from 0",
                                           "conv2 weight 4", "conv2 output 4", "linear weight 8",
                                           "linear output 8"});
}

TEST_CASE("an imported network loses with its bits, and the exporter's folding changes little") {
  const Keys none = {{"quant.scheme", "none"}};
  const Keys eight = {{"quant.weight.bits", 8}, {"quant.activation.bits", 8}};
  const Logits full = logits_of(none);
  const double at_four = distance(full, logits_of({}));
  const double at_eight = distance(full, logits_of(eight));
  CHECK(at_eight < 0.03);
  CHECK(at_four > 3 * at_eight);
  CHECK(at_four < 0.5);
  const std::string folded = "tests/models/onnx/shortcut_folded.onnx";
  CHECK(distance(full, logits_of({{"quant.scheme", "none"}, {"model.file", folded}})) < 1e-5);
  CHECK(distance(logits_of({{"model.file", folded}}), logits_of({})) < 0.1 * at_four);
}
