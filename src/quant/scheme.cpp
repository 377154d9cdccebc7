#include "quant/scheme.h"

namespace bitsweep::quant {

PlannedNetwork plan_network(const graph::Graph& graph, const config::QuantConfig& quant) {
  const Scheme& scheme = schemes().get(quant.scheme);
  const bool folds = scheme.folds_batch_norm && quant.fold_batch_norm;
  PlannedNetwork out{folds ? graph::fold_batch_norm(graph) : graph::keep_batch_norm(graph), {}};
  out.sites = scheme.plan(out.folding.graph, quant);
  return out;
}

}  // namespace bitsweep::quant
