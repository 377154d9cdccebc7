// A post-training quantization trial from its configuration to its numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "config/trial.h"
#include "graph/count.h"
#include "ptq/accuracy.h"
#include "ptq/evaluate.h"
#include "ptq/prepare.h"
#include "ptq/quantizer.h"

namespace bitsweep::ptq {

struct Outcome {
  Prepared prepared;  // the network as it ran
  Accuracy accuracy{0};
  std::vector<Quantizer> quantizers;  // one per site; where dynamic, of the first batch
  graph::Counts counts;               // with the widths of `quantizers`
  double evaluate_s = 0;
};

// What happens on the way; both may be empty.
struct Listener {
  // phase: "calibrate" or "evaluate"; in images.
  std::function<void(const char* phase, std::int64_t done, std::int64_t total)> progress;
  OnLogits logits;
};

// Keeps what the next trial may need: decoded images, networks and calibration statistics.
class Session {
 public:
  explicit Session(at::Device device) : device_(device), preparer_(device) {}

  // Throws as Preparer::prepare().
  Prepared prepare(const config::TrialConfig& config, const Listener& listener);
  // Throws as Preparer::prepare(), and Diverged.
  Outcome run(const config::TrialConfig& config, const Listener& listener);

 private:
  at::Device device_;
  Preparer preparer_;
};

}  // namespace bitsweep::ptq
