// Between trials and exported networks: what a finished trial leaves as codes and grids, and
// running such a network again from its file alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/image_cache.h"
#include "exec/inference.h"
#include "export/quantized_network.h"
#include "ptq/accuracy.h"
#include "ptq/prepare.h"

namespace bitsweep::ptq {

// Logits of every image, and the digest that exported files carry.
class LogitsRecord {
 public:
  explicit LogitsRecord(std::int64_t images) : images_(images) {}

  void add(std::int64_t position, std::span<const float> logits);
  std::span<const float> of(std::int64_t position) const;
  // SHA-256 over the logits of all images in file order, float32 little endian.
  std::string sha256() const;

 private:
  std::int64_t images_;
  std::size_t classes_ = 0;
  std::vector<float> values_;
};

// A prepared configuration as codes and grids; key, name and what it recorded are left to the
// caller. settings: of the trial, flat (config::Settings::to_json). Throws ConfigError where ranges
// are those of each batch (dynamic statistics), or where a weight is on no grid of codes, naming
// the layer.
exporting::QuantizedNetwork exported_network(const Prepared& prepared,
                                             const nlohmann::json& settings,
                                             const config::TrialConfig& config);

// What a whole run of an exported network gives.
struct ExportedRun {
  Accuracy accuracy{0};
  LogitsRecord logits{0};
  double evaluate_s = 0;

  exporting::Recorded recorded() const;  // without the fingerprint
};

// Called with the output of every node of every batch, after its quantizer; not of a trained
// network's fused nodes.
using OnOutput = std::function<void(graph::NodeId node, const at::Tensor& value)>;

// Runs an exported network on images that are normalized as it says.
class ExportedNetwork {
 public:
  // `network` must outlive this object.
  ExportedNetwork(const exporting::QuantizedNetwork& network, at::Device device);
  ~ExportedNetwork();

  // images: [batch, 3, height, width] float32 contiguous. Returns logits, [batch, classes].
  at::Tensor run(const at::Tensor& images, const OnOutput& on_output = {});

 private:
  struct Executor;
  std::unique_ptr<Executor> executor_;
};

// The network on the test images of its trial, in its batches: bit for bit what the trial computed
// where the numeric fingerprint is the same.
ExportedRun run_exported(const exporting::QuantizedNetwork& network,
                         const config::TrialConfig& config, at::Device device,
                         const OnProgress& progress);

}  // namespace bitsweep::ptq
