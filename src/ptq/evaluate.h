// Images through a network, batch by batch, and the statistics that calibration collects on the
// way.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "data/normalize.h"
#include "exec/inference.h"
#include "ptq/quantizer.h"
#include "ptq/statistics.h"

namespace bitsweep::ptq {

// Images in the order in which they are fed.
struct ImageSequence {
  const data::Images& images;
  std::span<const std::int64_t> positions;
  const data::Normalization& normalization;
};

// Called after every step with the images done so far.
using OnProgress = std::function<void(std::int64_t done)>;

// Statistics of the outputs of `nodes` on the unquantized network: result[i][k] is of nodes[i] in
// batch k. The last batch may be smaller. The first one carries the histograms of all.
std::vector<std::vector<TensorStatistics>> collect_statistics(
    const exec::Inference& network, const graph::Graph& graph, std::span<const graph::NodeId> nodes,
    const ImageSequence& sequence, std::int64_t batch_size, const Detail& detail,
    const OnProgress& progress);

// What an output's quantizer does to the sums of its channels (quant/bias_correction.h).
struct WatchedOutput {
  graph::NodeId node = -1;
  bool half_range = false;
  const Quantizer* quantizer = nullptr;  // still without positive_shifts
};

// Sums of each channel of each output on the unquantized network: result[i] is of outputs[i].
std::vector<std::vector<quant::ActivationSums>> collect_sums(const exec::Inference& network,
                                                             std::span<const WatchedOutput> outputs,
                                                             const ImageSequence& sequence,
                                                             std::int64_t batch_size,
                                                             const OnProgress& progress);

// logits of the image at `position` of sequence.images.
using OnLogits = std::function<void(std::int64_t position, std::span<const float> logits)>;

// images: [positions, channels, height, width] float32 contiguous on the device asked for.
using OnBatch =
    std::function<void(std::span<const std::int64_t> positions, const at::Tensor& images)>;

// Feeds the whole sequence, `step` images at a time; the last step may be smaller.
void for_each_batch(const ImageSequence& sequence, std::int64_t step, at::Device device,
                    const OnBatch& run, const OnProgress& progress);

}  // namespace bitsweep::ptq
