// A post-training configuration made ready: everything that an evaluation of it needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "graph/count.h"
#include "ptq/calibrator.h"
#include "ptq/evaluate.h"
#include "ptq/float_network.h"
#include "ptq/quantizer.h"
#include "quant/sites.h"

namespace bitsweep::ptq {

// A weight on its grid, with what put it there.
struct QuantizedWeight {
  Quantizer quantizer;
  std::vector<float> values;  // corrected where the site says so
  std::vector<float> bias{};  // of its layer, in place of the network's own; empty: that one
};

struct Prepared {
  std::shared_ptr<const FloatNetwork> network;
  quant::SitePlan sites;  // on network->graph
  // One per site; nullptr at outputs. Equal weights of several configurations are one object.
  std::vector<std::shared_ptr<const QuantizedWeight>> weights;
  // One per site. Of outputs where statistics are dynamic: empty, they follow from each batch.
  std::vector<Quantizer> quantizers;
  bool dynamic = false;
  double calibrate_s = 0;  // 0 where it had nothing to calibrate

  const graph::Graph& graph() const { return network->graph; }
};

// The network's parameters with the quantized weights in place.
graph::Parameters quantized_parameters(const Prepared& prepared);

// For each node whether it has nothing left to do: a ReLU whose input was quantized from 0 upwards.
// (A ReLU6 still has its upper end to do.)
std::vector<bool> performed_relus(const Prepared& prepared);

// The network's counts with the widths of `quantizers`, one per site; `parameters` and
// `madds_published` of the network as it is.
graph::Counts count_with(const Prepared& prepared, std::span<const Quantizer> quantizers);

// Prepares configurations, and keeps what the next one may need.
class Preparer {
 public:
  explicit Preparer(at::Device device) : device_(device), calibrator_(device) {}

  // config.model.weights is a file here; `progress` is told of calibration images. Throws
  // ConfigError for what the network or the data cannot have, DataError for missing or damaged
  // weights and images, Diverged.
  Prepared prepare(const config::TrialConfig& config, const OnProgress& progress);

  data::ImageCache& images() { return images_; }

 private:
  std::shared_ptr<const QuantizedWeight> quantized_weight(
      const std::shared_ptr<const FloatNetwork>& network, const quant::QuantizerSite& site);

  struct KeptWeight {
    std::weak_ptr<const FloatNetwork> network;
    quant::QuantizerSite site;
    std::weak_ptr<const QuantizedWeight> weight;
  };

  at::Device device_;
  data::ImageCache images_;
  FloatNetworks networks_;
  Calibrator calibrator_;
  std::vector<KeptWeight> weights_;  // of configurations that somebody still holds
};

}  // namespace bitsweep::ptq
