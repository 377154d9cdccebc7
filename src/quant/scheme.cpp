#include "quant/scheme.h"

#include "core/error.h"

namespace bitsweep::quant {

void check_kind(config::TrialKind kind, const config::QuantConfig& quant) {
  const Scheme& scheme = schemes().get(quant.scheme);
  if (kind == config::TrialKind::train && !scheme.while_training) {
    throw ConfigError(fmt::format(
        "kind = \"train\": scheme '{}' quantizes after training; expected \"ptq\"", scheme.name));
  }
  if (kind == config::TrialKind::ptq && !scheme.after_training) {
    throw ConfigError(fmt::format(
        "kind = \"ptq\": scheme '{}' quantizes while training; expected \"train\" (with "
        "train.epochs = 0 it evaluates model.weights)",
        scheme.name));
  }
}

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
