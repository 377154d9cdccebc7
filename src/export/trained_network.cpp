#include "export/trained_network.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "export/alphas.h"
#include "export/weights.h"
#include "kernels/weight_quantizer.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "quant/site_quantizers.h"

namespace bitsweep::exporting {
namespace {

using kernels::AffineGrid;
using quant::QuantizerSite;

// Where the codes of a weight lie on the real line; what they stand for exactly is
// kernels::weight_of_code.
AffineGrid grid_of(const kernels::WeightQuantizer& quantizer, double mean_abs) {
  const auto steps = static_cast<float>(kernels::weight_steps(quantizer));
  const auto top = static_cast<std::int32_t>(steps);
  switch (kernels::weight_rounding(quantizer)) {
    case kernels::WeightRounding::symmetric:
    case kernels::WeightRounding::ternary:
      return {1.0F / steps, 0.0F, -top, top};
    case kernels::WeightRounding::unit:
      return {2.0F / steps, 0.0F, 0, top, -1.0F};
    case kernels::WeightRounding::binary:
      break;
  }
  const auto size = static_cast<float>(mean_abs);
  return quantizer.kind == kernels::WeightQuantizerKind::dorefa
             ? AffineGrid{2.0F * size, 0.0F, 0, 1, -size}
             // −1 and 1: every second code, so that one bit is stored as two.
             : AffineGrid{size, 0.0F, -1, 1};
}

WeightCodes weight_codes(const QuantizerSite& site, const graph::Node& node,
                         std::span<const float> values) {
  WeightCodes out;
  out.node = site.node;
  out.quantizer = site.quantizer;
  out.normalized = quant::weight_quantizer(site, node.name);
  const auto n = static_cast<std::int64_t>(values.size());
  std::vector<float> quantized(values.size());
  std::vector<double> tanh(values.size());
  kernels::WeightQuantizerState state;
  kernels::quantize_weights_cpu(values.data(), quantized.data(), tanh.data(), n, *out.normalized,
                                &state);
  out.codes.resize(values.size());
  kernels::weight_codes_cpu(tanh.data(), out.codes.data(), n, *out.normalized, state);
  out.mean_abs = state.mean_abs;
  out.grids = {grid_of(*out.normalized, state.mean_abs)};
  const bool two_for_one = out.grids[0].qmax - out.grids[0].qmin == 2 && site.bits == 1;
  out.bits = {two_for_one ? 2 : site.bits};
  const std::vector<float> decoded = decode(out, node.output.channels);
  BITSWEEP_CHECK(std::ranges::equal(decoded, quantized), "'{}': codes give other weights",
                 node.name);
  return out;
}

OutputGrid output_grid(const QuantizerSite& site, const graph::Node& node,
                       const nlohmann::json& alphas) {
  OutputGrid out;
  out.node = site.node;
  out.quantizer = site.quantizer;
  OutputClamp clamp{quant::clamp_quantizer(site, node.name), 0};
  if (clamp.quantizer.learns()) {
    clamp.alpha = alphas.value(node.name, static_cast<float>(site.alpha_init));
  }
  const kernels::ClampGrid grid = kernels::clamp_grid(clamp.quantizer, clamp.alpha);
  out.half_range = !(grid.low < 0.0F);
  out.bits = {site.bits};
  // In units of what arrives: the clamp's factor is part of the step.
  out.ranges = {{grid.low / grid.factor, (grid.high - grid.low) / grid.factor}};
  out.grids = {{1.0F / (grid.scale * grid.factor), 0.0F,
                static_cast<std::int32_t>(rintf(grid.low * grid.scale)),
                static_cast<std::int32_t>(rintf(grid.high * grid.scale))}};
  out.clamp = clamp;
  return out;
}

}  // namespace

QuantizedNetwork trained_network(const config::TrialConfig& config, const nlohmann::json& settings,
                                 const std::filesystem::path& weights) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const graph::Graph network = models::build_model(config.model, dataset.num_classes());
  quant::PlannedNetwork plan = quant::plan_network(network, config.quant);
  if (plan.sites.sites.empty()) {
    throw ConfigError(
        fmt::format("quant.scheme = \"{}\": it trained without quantizers, and its "
                    "weights are floating point: {}",
                    config.quant.scheme, weights.string()));
  }
  const SafetensorsFile file = SafetensorsFile::read(weights);
  const nlohmann::json alphas = alphas_of(file);
  QuantizedNetwork out;
  out.settings = settings;
  out.normalization = data::normalization(config.data.normalize, dataset);
  out.parameters = load_weights(file, plan.folding.graph);
  out.graph = std::move(plan.folding.graph);
  out.skipped.resize(out.graph.nodes().size());
  for (const QuantizerSite& site : plan.sites.sites) {
    const graph::Node& node = out.graph.node(site.node);
    switch (site.place) {
      case quant::Place::weight: {
        const std::span<float> values = out.parameters.values(node.name + ".weight");
        out.weights.push_back(weight_codes(site, node, values));
        std::ranges::copy(decode(out.weights.back(), node.output.channels), values.begin());
        break;
      }
      case quant::Place::output:
        out.outputs.push_back(output_grid(site, node, alphas));
        break;
      case quant::Place::edge:
      case quant::Place::gradient:
        throw ConfigError(
            fmt::format("node '{}': a quantizer on an edge has no exported form", node.name));
    }
  }
  return out;
}

}  // namespace bitsweep::exporting
