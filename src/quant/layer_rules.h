// Settings of single layers: width lists (`bits = [8, 4, …]`, one per layer) and, above them, the
// rules of [[layer]]. Rules are ordered; the first whose pattern matches a layer's whole name wins,
// and no other is asked.
#pragma once

#include <vector>

#include "config/trial.h"
#include "graph/graph.h"

namespace bitsweep::quant {

// The settings of one convolution or linear layer.
struct LayerSettings {
  graph::NodeId node = -1;
  config::TensorQuantConfig weight;
  config::TensorQuantConfig activation;  // of its output
  // A list or rule gives this layer's width: it wins over the policies for first layer, last layer
  // and logits.
  bool own_weight_bits = false;
  bool own_activation_bits = false;
};

// The rule of each layer of `graph`, in execution order; nullptr where none matches. Throws
// ConfigError with the rule's place for a rule that matches no layer (with the nearest names) and a
// pattern that is no regular expression.
std::vector<const config::LayerRule*> rules_of_layers(const graph::Graph& graph,
                                                      const config::QuantConfig& quant);

// One entry per layer of `graph`, in execution order. Throws ConfigError as rules_of_layers, and
// for a key that no layer has.
std::vector<LayerSettings> resolve_layers(const graph::Graph& graph,
                                          const config::QuantConfig& quant);

}  // namespace bitsweep::quant
