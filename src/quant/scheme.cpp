#include "quant/scheme.h"

namespace bitsweep::quant {

graph::Folding apply_passes(const graph::Graph& graph, const config::QuantConfig& quant) {
  const bool folds = schemes().get(quant.scheme).folds_batch_norm && quant.fold_batch_norm;
  return folds ? graph::fold_batch_norm(graph) : graph::keep_batch_norm(graph);
}

PlannedNetwork plan_network(const graph::Graph& graph, const config::QuantConfig& quant) {
  PlannedNetwork out{apply_passes(graph, quant), {}};
  out.sites = schemes().get(quant.scheme).plan(out.folding.graph, quant);
  return out;
}

}  // namespace bitsweep::quant
