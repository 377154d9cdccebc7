// Quantization schemes (`quant.scheme`): a file src/quant/<word>.cpp that defines register_<word>()
// and the word in src/quant/meson.build.
#pragma once

#include <string>

#include "config/trial.h"
#include "core/registry.h"
#include "graph/graph.h"
#include "graph/passes.h"
#include "quant/sites.h"

namespace bitsweep::quant {

struct Scheme {
  std::string name;
  std::string summary;
  int numerics_version = 1;       // raised when results change (stored with every attempt)
  bool folds_batch_norm = false;  // whether quant.fold_batch_norm applies
  // Kinds of trials that the scheme quantizes: with quantizers in the graph while it trains, or a
  // trained network.
  bool while_training = false;
  bool after_training = false;
  // `graph` is the network after the passes. Throws ConfigError for a layer rule that matches
  // nothing or a setting that the network cannot have.
  SitePlan (*plan)(const graph::Graph& graph, const config::QuantConfig& quant) = nullptr;
};

const Registry<Scheme>& schemes();

// Throws ConfigError, "kind = …" first, where `kind` is not what the scheme quantizes in.
void check_kind(config::TrialKind kind, const config::QuantConfig& quant);

// `graph` after the passes that a configuration asks for. Throws ConfigError for an unknown scheme.
graph::Folding apply_passes(const graph::Graph& graph, const config::QuantConfig& quant);

// A network after those passes, and the sites on it.
struct PlannedNetwork {
  graph::Folding folding;  // folding.graph is the network that runs
  SitePlan sites;          // on folding.graph
};

// Throws ConfigError for an unknown scheme, and as Scheme::plan.
PlannedNetwork plan_network(const graph::Graph& graph, const config::QuantConfig& quant);

}  // namespace bitsweep::quant
