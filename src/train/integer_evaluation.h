// A trained network in whole numbers beside the fake-quantized one that it was made from: on
// images, prediction by prediction, and node by node in the last place (document 002, facts A.9).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "exec/training.h"
#include "integer/build.h"
#include "integer/compare.h"
#include "train/batches.h"

namespace bitsweep::train {

// Images over which tensors are compared; predictions are over all.
inline constexpr std::int64_t kImagesComparedByNode = 8;

struct IntegerEvaluation {
  integer::PredictionComparison predictions;
  double mcnemar_p = 1;  // exact, two-sided, over the images that one of the two alone gets right
  // Of each tensor that both networks have, in execution order; over the first images.
  std::vector<integer::TensorDifference> tensors;
  std::vector<std::string> slow_steps;  // integer::FastExecutor::slow_steps()
  double seconds = 0;                   // of the integer network alone, on one thread
};

// Keys quant.integer.*, and a format of the image that holds the data set's pixels.
integer::Settings integer_settings(const config::TrialConfig& config);

// The network that `training` holds, in whole numbers. Throws as integer::build().
integer::Network integer_network(const graph::Graph& graph, const exec::Training& training,
                                 const integer::Settings& settings);

// `simulation` holds the same parameters and α that `network` was made from, on any device. Node by
// node over the first kImagesComparedByNode positions. progress: images done; may be empty.
IntegerEvaluation evaluate_integers(const integer::Network& network, exec::Training& simulation,
                                    const Batches& batches, const data::Images& images,
                                    std::span<const std::int64_t> positions,
                                    std::int64_t batch_size,
                                    const std::function<void(std::int64_t done)>& progress = {});

}  // namespace bitsweep::train
