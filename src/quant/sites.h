// What a scheme decides: which tensor gets which quantizer. A scheme is a pass over a graph that
// returns the sites; counting, `plan --layers`, calibration and the executors read them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "kernels/fixed_point_math.h"

namespace bitsweep::quant {

enum class Place {
  weight,    // the weight of node `node`
  output,    // the output of node `node`, seen by every user (documents 002, 004)
  edge,      // input `input` of node `node`, seen by this user alone (document 001)
  gradient,  // the gradient that arrives at the output of node `node` (documents 000, 002)
};

// What a quantized operand is used for. The six roles of document 000 for a convolution or linear
// layer: its weight for `forward` and `backward` (the product that gives the input's gradient), its
// input (an edge) for `forward` and `backward` (the product that gives the weight's gradient), and
// the arriving gradient for `grad_input` and `grad_weight`. Other schemes use `forward` alone.
enum class Role { forward, backward, grad_input, grad_weight };

// How the lower and upper end of an activation range are found.
enum class RangeRule {
  minmax,        // extremes over the batch; over batches: mean (or extreme) of them
  sample_mean,   // mean over samples of per-sample extremes
  batch_extreme  // smallest minimum and largest maximum (logits)
};

// Widths per channel (quant/bit_allocation.h).
struct AllocationSettings {
  std::string rule = "none";
  std::string prior = "std";  // std | b | range
  double average_bits = 8;    // also of quantizer `mid_tread`, which has no rule
  config::ZeroBits zero_bits = config::ZeroBits::mean;

  friend bool operator==(const AllocationSettings&, const AllocationSettings&) = default;
};

struct QuantizerSite {
  Place place = Place::output;
  graph::NodeId node = -1;
  int input = 0;  // for Place::edge
  Role role = Role::forward;

  int bits = 8;  // of all channels, unless they are allocated
  std::string quantizer = "affine";
  config::Granularity granularity = config::Granularity::tensor;
  config::Ties ties = config::Ties::even;
  bool stochastic = false;
  std::uint64_t seed = 0;  // of stochastic rounding
  bool power_of_two_scale = false;
  std::string clipping = "none";  // a value of the key, "std:2.5" included
  config::ClippingConstants clipping_constants = config::ClippingConstants::exact;
  double percentile = 99.99;  // of clipping `percentile`
  RangeRule range = RangeRule::minmax;
  // The lower end is 0: the ReLU behind this node is performed by the quantizer (facts 004 B.1.4),
  // or, for `lsq`, the values are never negative.
  bool half_range = false;
  AllocationSettings allocation = {};    // of Granularity::channel alone
  std::string bias_correction = "none";  // quant/bias_correction.h

  bool is_allocated() const { return allocation.rule != "none"; }

  // The grid does not depend on the tensor: no scale is stored with it.
  bool constant_grid = false;

  // Scheme `dorefa_pact` (document 002, facts A.4): `quantizer` is tanh_symmetric or dorefa for
  // weights; dorefa_clamp, pact_fixed, pact, mpact or lsq for outputs; dorefa for gradients.
  double clamp_factor = 0.1;  // dorefa_clamp
  double clip = 2;            // pact_fixed
  // pact, mpact: α before the first step; lsq: its step, 0: from the first batch.
  double alpha_init = 10;

  friend bool operator==(const QuantizerSite&, const QuantizerSite&) = default;
};

struct SitePlan {
  std::vector<QuantizerSite> sites;  // execution order; a node's weight before its output
  // Outputs that the scheme has a place for, left in full precision by `"none"`: they count in the
  // average width.
  std::vector<graph::NodeId> unquantized_outputs;
  // The grid that scale and shift of every batch norm lie on; nullopt: float32.
  std::optional<kernels::FixedPoint> batch_norm = std::nullopt;

  // nullptr: full precision.
  const QuantizerSite* find(Place place, graph::NodeId node, Role role = Role::forward) const;
};

// The widths that `plan` gives to `graph`, as counting wants them. Sites with Role::forward only.
graph::BitTable bit_table(const graph::Graph& graph, const SitePlan& plan);
// The same with the widths that each site really used, one entry per site of the plan.
graph::BitTable bit_table(const graph::Graph& graph, const SitePlan& plan,
                          std::span<const graph::Widths> widths);

}  // namespace bitsweep::quant
