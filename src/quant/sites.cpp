#include "quant/sites.h"

#include <algorithm>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

std::int64_t output_channels(const graph::Node& layer) {
  const auto* conv = layer.as<graph::Convolution>();
  return conv != nullptr ? conv->out_channels : layer.as<graph::Linear>()->out_features;
}

std::int64_t weight_scales(const QuantizerSite& site, const graph::Node& layer) {
  if (site.constant_grid) return 0;
  return site.granularity == config::Granularity::channel ? output_channels(layer) : 1;
}

}  // namespace

const QuantizerSite* SitePlan::find(Place place, graph::NodeId node, Role role) const {
  const auto it = std::ranges::find_if(sites, [&](const QuantizerSite& site) {
    return site.place == place && site.node == node && site.role == role;
  });
  return it == sites.end() ? nullptr : &*it;
}

graph::BitTable bit_table(const graph::Graph& graph, const SitePlan& plan) {
  std::vector<graph::Widths> widths;
  for (const QuantizerSite& site : plan.sites) widths.push_back({site.bits});
  return bit_table(graph, plan, widths);
}

graph::BitTable bit_table(const graph::Graph& graph, const SitePlan& plan,
                          std::span<const graph::Widths> widths) {
  BITSWEEP_CHECK(widths.size() == plan.sites.size(), "{} widths for {} sites", widths.size(),
                 plan.sites.size());
  graph::BitTable table(graph.nodes().size());
  for (const graph::NodeId node : plan.unquantized_outputs) {
    table[static_cast<std::size_t>(node)].output = {config::kUnquantizedBits};
  }
  for (std::size_t i = 0; i < plan.sites.size(); ++i) {
    const QuantizerSite& site = plan.sites[i];
    if (site.role != Role::forward) continue;
    graph::NodeBits& bits = table[static_cast<std::size_t>(site.node)];
    switch (site.place) {
      case Place::weight:
        bits.weight = widths[i];
        bits.weight_scales = weight_scales(site, graph.node(site.node));
        break;
      case Place::output:
        bits.output = widths[i];
        break;
      case Place::edge:
        bits.edges.emplace_back(site.input, widths[i]);
        break;
      case Place::gradient:
        break;  // gradients are neither stored nor read by inference
    }
  }
  return table;
}

}  // namespace bitsweep::quant
