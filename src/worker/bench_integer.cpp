#include "worker/bench_integer.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "exec/device.h"
#include "exec/inference.h"
#include "integer/build.h"
#include "integer/fast.h"
#include "kernels/cpu.h"
#include "kernels/integer_layers.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "train/initialize.h"
#include "worker/bench_times.h"

namespace bitsweep::worker {
namespace {

constexpr std::int64_t kBatch = 128;

struct Problem {
  graph::Graph graph;
  graph::Parameters parameters;
  std::vector<float> images;
};

Problem problem() {
  config::ModelConfig model;
  model.name = "resnet20";
  model.shortcut = "B";
  graph::Graph graph = models::build_model(model, 10);
  graph::Parameters parameters(graph);
  train::initialize(graph, models::initialization(model), 0, parameters);
  std::vector<float> images(static_cast<std::size_t>(kBatch * 3 * 32 * 32));
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i] = std::sin(0.37F * static_cast<float>(i % 10007)) * 2;
  }
  return {std::move(graph), std::move(parameters), std::move(images)};
}

// Every weight and every output on an 8-bit grid, the stem's and the last layer's too.
quant::SitePlan sites(const graph::Graph& graph, const std::string& quantizer) {
  config::QuantConfig quant;
  quant.scheme = "dorefa_pact";
  quant.weight.quantizer = "tanh_symmetric";
  quant.activation.quantizer = quantizer;
  const config::Value eight(std::int64_t{8});
  quant.layers.push_back({.match = ".*",
                          .overrides = {{"activation.bits", eight}, {"weight.bits", eight}},
                          .place = "bench"});
  return quant::plan_network(graph, quant).sites;
}

nlohmann::json row(const Problem& p, const std::string& quantizer, const exec::Inference& peer,
                   const at::Tensor& images, const IntegerBenchOptions& options) {
  const integer::Network network =
      integer::build(p.graph, sites(p.graph, quantizer), p.parameters, {}, {});
  integer::FastExecutor executor(network);
  std::vector<float> logits(static_cast<std::size_t>(kBatch * network.num_classes()));
  const auto run_integers = [&] { executor.run(p.images, kBatch, logits); };
  const auto run_floats = [&] { peer.run(images); };
  run_integers();
  run_floats();
  std::vector<double> ours, theirs, ratios;
  for (int i = 0; i < options.repeats; ++i) {
    theirs.push_back(seconds(run_floats));
    ours.push_back(seconds(run_integers));
    ratios.push_back(theirs.back() / ours.back());
  }
  const char* instructions = kernels::convolve_uses_vnni()
                                 ? "AVX512-VNNI"
                                 : kernels::name(kernels::active_instruction_set());
  return {{"name", fmt::format("ResNet20 in whole numbers, 8 bits, {}", quantizer)},
          {"peer", "our float32, batch norms folded"},
          {"unit", "images per second"},
          {"ours", kBatch / median(ours)},
          {"peer_value", kBatch / median(theirs)},
          {"ratio", median(ratios)},
          {"repeats", options.repeats},
          {"threads", 1},
          {"instructions", instructions},
          {"note",
           fmt::format("images per second, {}; ratio is float32's time over ours", instructions)}};
}

}  // namespace

nlohmann::json bench_integer(const IntegerBenchOptions& options) {
  const c10::InferenceMode inference;
  exec::set_threads(1);
  Problem p = problem();
  const graph::Folding folding = graph::fold_batch_norm(p.graph);
  const graph::Parameters folded = graph::fold_parameters(folding, p.graph, p.parameters);
  const exec::Inference peer(folding.graph, folded, at::kCPU);
  const at::Tensor images = at::from_blob(p.images.data(), {kBatch, 3, 32, 32}, at::kFloat);
  nlohmann::json rows = nlohmann::json::array();
  for (const char* quantizer : {"dorefa_clamp", "mpact"}) {
    rows.push_back(row(p, quantizer, peer, images, options));
  }
  return rows;
}

}  // namespace bitsweep::worker
