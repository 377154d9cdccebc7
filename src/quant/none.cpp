// Scheme `none`: the network in full precision, batch norms where they are.
#include "quant/layer_rules.h"
#include "quant/scheme.h"

namespace bitsweep::quant {
namespace {

SitePlan plan(const graph::Graph& graph, const config::QuantConfig& quant) {
  resolve_layers(graph, quant);  // a pattern that matches nothing is an error here, too
  return {};
}

}  // namespace

void register_none(Registry<Scheme>& registry) {
  registry.add({.name = "none",
                .summary = "Full precision (float32)",
                .numerics_version = 1,
                .folds_batch_norm = false,
                .while_training = true,
                .after_training = true,
                .plan = plan});
}

}  // namespace bitsweep::quant
