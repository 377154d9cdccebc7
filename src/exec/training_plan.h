// How a network trains: its nodes as steps that run forwards in order and backwards in reverse,
// with everything between one layer and the next fused where the graph allows it. Knows nothing of
// LibTorch or of values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "kernels/fused_layer_math.h"
#include "quant/sites.h"

namespace bitsweep::exec {

// A value that a step writes and later steps read.
using SlotId = int;
inline constexpr int kNone = -1;

// A convolution or linear layer.
struct LayerStep {
  graph::NodeId node = -1;
  SlotId x = kNone;
  SlotId y = kNone;
  int weight_site = kNone;    // position in SitePlan::sites of its weight's quantizer
  int gradient_site = kNone;  // likewise, of the gradient that arrives at its output
};

// y = quantizer(nonlinearity(norm(x) + other)), each part optional (kernels/fused_layer.h).
struct FusedStep {
  std::vector<graph::NodeId> nodes;  // in order; the value is the last one's
  SlotId x = kNone;
  graph::NodeId norm = -1;  // batch norm
  SlotId other = kNone;
  kernels::NonlinearityParams nonlinearity;
  int output_site = kNone;  // position in SitePlan::sites
  SlotId y = kNone;
};

// y = x on a grid whose step is learned (exec/learned_step.h).
struct LearnedGridStep {
  graph::NodeId node = -1;
  SlotId x = kNone;
  int output_site = kNone;
  SlotId y = kNone;
};

// Any other node.
struct OpStep {
  graph::NodeId node = -1;
  std::vector<SlotId> x;
  SlotId y = kNone;
};

using Step = std::variant<LayerStep, FusedStep, LearnedGridStep, OpStep>;

struct TrainingPlan {
  std::vector<Step> steps;
  std::vector<graph::Shape> shapes;    // of one image, by slot
  std::vector<graph::NodeId> node_of;  // by slot: the node whose value (or raw value) it is
  std::vector<bool> needs_gradient;    // by slot: a parameter stands before it
  SlotId input = 0;
  SlotId output = kNone;
};

// Throws ConfigError for a site that training has no place for.
TrainingPlan plan_training(const graph::Graph& graph, const quant::SitePlan& sites);

}  // namespace bitsweep::exec
