// What a scheme decides: which tensor gets which quantizer. A scheme is a pass over a graph that
// returns the sites; counting, `plan --layers`, calibration and the executors read them.
#pragma once

#include <string>
#include <vector>

#include "config/trial.h"
#include "graph/count.h"
#include "graph/graph.h"

namespace bitsweep::quant {

enum class Place {
  weight,  // the weight of node `node`
  output,  // the output of node `node`, seen by every user (documents 002, 004)
  edge,    // input `input` of node `node`, seen by this user alone (document 001)
};

// The roles of document 000: a convolution or linear layer quantizes its operands apart for the
// forward pass and for each gradient. Post-training schemes use `forward` alone.
enum class Role { forward, weight_backward, input_backward, grad_input, grad_weight };

// How the lower and upper end of an activation range are found.
enum class RangeRule {
  minmax,        // extremes over the batch; over batches: mean (or extreme) of them
  sample_mean,   // mean over samples of per-sample extremes
  batch_extreme  // smallest minimum and largest maximum (logits)
};

struct QuantizerSite {
  Place place = Place::output;
  graph::NodeId node = -1;
  int input = 0;  // for Place::edge
  Role role = Role::forward;

  int bits = 8;
  std::string quantizer = "affine";
  config::Granularity granularity = config::Granularity::tensor;
  config::Ties ties = config::Ties::even;
  bool stochastic = false;
  bool power_of_two_scale = false;
  std::string clipping = "none";
  RangeRule range = RangeRule::minmax;
  // The lower end is 0: the ReLU behind this node is performed by the quantizer (facts 004 B.1.4).
  bool half_range = false;
};

struct SitePlan {
  std::vector<QuantizerSite> sites;  // execution order; a node's weight before its output
  // Outputs that the scheme has a place for, left in full precision by `"none"`: they count in the
  // average width.
  std::vector<graph::NodeId> unquantized_outputs;

  const QuantizerSite* find(Place place, graph::NodeId node) const;  // role forward; nullptr = full
};

// The widths that `plan` gives to `graph`, as counting wants them. Sites with Role::forward only.
graph::BitTable bit_table(const graph::Graph& graph, const SitePlan& plan);

}  // namespace bitsweep::quant
