// A post-training quantization trial from its configuration to its numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "graph/parameters.h"
#include "ptq/accuracy.h"
#include "ptq/evaluate.h"
#include "ptq/quantizer.h"
#include "quant/sites.h"

namespace bitsweep::ptq {

struct Outcome {
  Accuracy accuracy{0};
  // Of the network as it ran, with the widths that were really used (where dynamic, of the first
  // batch); `parameters` and `madds_published` of the network as it is.
  graph::Counts counts;
  double calibrate_s = 0;  // 0 where another trial's statistics were used, or none
  double evaluate_s = 0;

  // The network as it ran: batch norms folded where the configuration says so.
  std::shared_ptr<const graph::Graph> graph;
  std::shared_ptr<const graph::Parameters> weights;    // float32
  std::shared_ptr<const graph::Parameters> quantized;  // on their grids
  std::string weights_sha256;                          // of the file
  quant::SitePlan sites;
  std::vector<Quantizer> quantizers;  // one per site; where dynamic, of the first batch
};

// What happens on the way; both may be empty.
struct Listener {
  // phase: "calibrate" or "evaluate"; in images.
  std::function<void(const char* phase, std::int64_t done, std::int64_t total)> progress;
  OnLogits logits;
};

// Keeps what the next trial may need: decoded images and calibration statistics.
class Session {
 public:
  explicit Session(at::Device device) : device_(device) {}

  // config.model.weights is a file here. Throws ConfigError for what the network or the data cannot
  // have, DataError for missing or damaged weights and images, Diverged.
  Outcome run(const config::TrialConfig& config, const Listener& listener);

 private:
  using CollectedStatistics = std::map<graph::NodeId, TensorStatistics>;

  // The images that calibrate, in the order in which they are fed.
  struct Calibration {
    std::shared_ptr<const data::Images> images;
    std::vector<std::int64_t> positions;
    data::Normalization normalization;

    ImageSequence sequence() const { return {*images, positions, normalization}; }
  };

  std::shared_ptr<const CollectedStatistics> calibrated(const config::TrialConfig& config,
                                                        const data::Dataset& dataset,
                                                        const Outcome& outcome,
                                                        const Listener& listener);

  Calibration calibration_run(const config::TrialConfig& config, const data::Dataset& dataset);

  // Runs the calibration images once more for the outputs whose sites ask for a correction, and
  // gives their quantizers (one entry per site) the positive_shifts.
  void correct_outputs(const config::TrialConfig& config, const data::Dataset& dataset,
                       const Outcome& outcome, std::vector<Quantizer>& quantizers,
                       const Listener& listener);

  OutputQuantizers output_quantizers(const config::TrialConfig& config,
                                     const data::Dataset& dataset, Outcome& outcome,
                                     const Listener& listener);

  at::Device device_;
  data::ImageCache images_;
  std::map<std::string, std::shared_ptr<const CollectedStatistics>> statistics_;
};

}  // namespace bitsweep::ptq
