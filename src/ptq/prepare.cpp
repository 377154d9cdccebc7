#include "ptq/prepare.h"

#include <algorithm>
#include <utility>

#include "core/stopwatch.h"
#include "ptq/refinement.h"
#include "quant/scheme.h"

namespace bitsweep::ptq {
namespace {

using quant::Place;
using quant::QuantizerSite;

std::string weight_name(const graph::Graph& graph, const QuantizerSite& site) {
  return graph.node(site.node).name + ".weight";
}

QuantizedWeight quantize(const FloatNetwork& network, const QuantizerSite& site) {
  const std::string name = weight_name(network.graph, site);
  const std::span<const float> weight = network.weights.values(name);
  const std::int64_t channels = network.graph.node(site.node).output.channels;
  QuantizedWeight out{weight_quantizer(site, weight, channels, name),
                      {weight.begin(), weight.end()}};
  quantize_weight(out.quantizer, site, out.values, channels);
  return out;
}

}  // namespace

graph::Parameters quantized_parameters(const Prepared& prepared) {
  graph::Parameters out = prepared.network->weights;
  for (std::size_t i = 0; i < prepared.weights.size(); ++i) {
    if (prepared.weights[i] == nullptr) continue;
    const std::string name = weight_name(prepared.graph(), prepared.sites.sites[i]);
    std::ranges::copy(prepared.weights[i]->values, out.values(name).begin());
    if (prepared.weights[i]->bias.empty()) continue;
    const std::string bias = prepared.graph().node(prepared.sites.sites[i].node).name + ".bias";
    std::ranges::copy(prepared.weights[i]->bias, out.values(bias).begin());
  }
  return out;
}

std::vector<bool> performed_relus(const Prepared& prepared) {
  const graph::Graph& graph = prepared.graph();
  std::vector<bool> out(graph.nodes().size(), false);
  for (const QuantizerSite& site : prepared.sites.sites) {
    if (site.place != Place::output || !site.half_range) continue;
    for (const graph::NodeId user : graph.users(site.node)) {
      const auto* activation = graph.node(user).as<graph::Activation>();
      const bool relu = activation != nullptr && activation->kind == graph::ActivationKind::relu;
      if (relu) out[static_cast<std::size_t>(user)] = true;
    }
  }
  return out;
}

graph::Counts count_with(const Prepared& prepared, std::span<const Quantizer> quantizers) {
  std::vector<graph::Widths> widths;
  for (const Quantizer& quantizer : quantizers) widths.push_back(quantizer.bits);
  const graph::Graph& graph = prepared.graph();
  graph::Counts out = graph::count(graph, quant::bit_table(graph, prepared.sites, widths));
  out.total.parameters = prepared.network->as_is.parameters;
  out.total.madds_published = prepared.network->as_is.madds_published;
  return out;
}

std::shared_ptr<const QuantizedWeight> Preparer::quantized_weight(
    const std::shared_ptr<const FloatNetwork>& network, const QuantizerSite& site) {
  std::erase_if(weights_, [](const KeptWeight& kept) { return kept.weight.expired(); });
  for (const KeptWeight& kept : weights_) {
    if (kept.site == site && kept.network.lock() == network) {
      if (auto weight = kept.weight.lock()) return weight;
    }
  }
  auto made = std::make_shared<const QuantizedWeight>(quantize(*network, site));
  weights_.push_back({network, site, made});
  return made;
}

Prepared Preparer::prepare(const config::TrialConfig& config, const OnProgress& progress) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  Prepared out;
  out.network = networks_.get(config, dataset);
  out.sites = quant::schemes().get(config.quant.scheme).plan(out.graph(), config.quant);
  out.dynamic = config.quant.calibration.statistics == config::Statistics::dynamic;
  for (QuantizerSite& site : out.sites.sites) {
    if (site.stochastic) site.seed = config.seed;
  }
  const std::vector<QuantizerSite>& sites = out.sites.sites;
  out.quantizers.resize(sites.size());
  out.weights.resize(sites.size());
  const bool quantizes_outputs =
      std::ranges::find(sites, Place::output, &QuantizerSite::place) != sites.end();
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].place == Place::weight) out.weights[i] = quantized_weight(out.network, sites[i]);
  }
  if (quantizes_outputs && !out.dynamic) {
    const Stopwatch watch;
    out.quantizers =
        calibrator_.output_quantizers(config, dataset, out.network, out.sites, images_, progress);
    out.calibrate_s = watch.seconds();
  }
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (out.weights[i] != nullptr) out.quantizers[i] = out.weights[i]->quantizer;
  }
  if (refines(config.quant)) {
    refine(config, calibration_images(config, dataset, images_), device_, out);
  }
  return out;
}

}  // namespace bitsweep::ptq
