// Quantizers of outputs from calibration images. Statistics are collected once and used by every
// configuration that can.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "data/normalize.h"
#include "ptq/evaluate.h"
#include "ptq/float_network.h"
#include "ptq/quantizer.h"
#include "ptq/statistics.h"
#include "quant/sites.h"

namespace bitsweep::ptq {

// The images that calibrate, in the order in which they are fed.
struct CalibrationImages {
  std::shared_ptr<const data::Images> images;
  std::vector<std::int64_t> positions;
  data::Normalization normalization;
  std::int64_t batch_size = 0;

  ImageSequence sequence() const { return {*images, positions, normalization}; }
};

// Throws ConfigError where there are fewer images than quant.calibration asks for.
CalibrationImages calibration_images(const config::TrialConfig& config,
                                     const data::Dataset& dataset, data::ImageCache& cache);

class Calibrator {
 public:
  explicit Calibrator(at::Device device) : device_(device) {}

  // One entry per site; those of weights are left empty. `progress`: in calibration images.
  // Throws ConfigError as above, Diverged.
  std::vector<Quantizer> output_quantizers(const config::TrialConfig& config,
                                           const data::Dataset& dataset,
                                           const std::shared_ptr<const FloatNetwork>& network,
                                           const quant::SitePlan& sites, data::ImageCache& cache,
                                           const OnProgress& progress);

 private:
  // What calibration statistics depend on, besides how much of them is collected.
  struct Key {
    std::shared_ptr<const FloatNetwork> network;
    std::shared_ptr<const data::Images> images;
    std::vector<std::int64_t> positions;
    std::int64_t batch_size = 0;
    config::NormalizeConfig normalize;
    std::vector<graph::NodeId> nodes;
    friend bool operator==(const Key&, const Key&) = default;
  };
  // [node][batch], in the order of Key::nodes.
  using Collected = std::vector<std::vector<TensorStatistics>>;
  struct Entry {
    Key key;
    Detail detail = Detail::extremes;
    std::shared_ptr<const Collected> statistics;
  };

  std::shared_ptr<const Collected> collect(Key key, Detail detail, const CalibrationImages& images,
                                           const OnProgress& progress);
  // Runs the images once more for the outputs whose sites ask for a correction, and gives their
  // quantizers the positive_shifts.
  void correct(const quant::SitePlan& sites, const FloatNetwork& network,
               const CalibrationImages& images, std::vector<Quantizer>& quantizers,
               const OnProgress& progress);

  at::Device device_;
  std::vector<Entry> kept_;
};

}  // namespace bitsweep::ptq
