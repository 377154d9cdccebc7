// Post-training quantization trials from their configurations to their numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "config/trial.h"
#include "graph/count.h"
#include "ptq/accuracy.h"
#include "ptq/code_lengths.h"
#include "ptq/evaluate.h"
#include "ptq/prepare.h"
#include "ptq/quantizer.h"
#include "ptq/shared_evaluation.h"

namespace bitsweep::ptq {

struct Outcome {
  Prepared prepared;  // the network as it ran
  Accuracy accuracy{0};
  std::vector<Quantizer> quantizers;  // one per site; where dynamic, of the first batch
  graph::Counts counts;               // with the widths of `quantizers`
  double prepare_s = 0;               // calibration included
  double evaluate_s = 0;  // of what several trials share in one evaluation, its equal part
  std::optional<CodeLengths> weight_codes;
  std::optional<CodeLengths> activation_codes;
};

// What happens on the way; both may be empty.
struct Listener {
  // phase: "calibrate" or "evaluate"; in images.
  std::function<void(const char* phase, std::int64_t done, std::int64_t total)> progress;
  OnLogits logits;
};

// A trial of a group, and who is told how it ends: exactly one of the two, once.
struct Request {
  config::TrialConfig config;  // config.model.weights is a file here
  Listener listener;
  std::function<void(Outcome)> done;
  std::function<void(std::exception_ptr)> failed;  // an Error of this trial alone
};

inline constexpr std::int64_t kDefaultCacheBytes = std::int64_t{2} << 30;

struct GroupOptions {
  // Bounds the outputs held at a time for later use; where it is too little, some are computed
  // again.
  std::int64_t cache_bytes = kDefaultCacheBytes;
  // Told of each evaluation before its trials are told how they ended; may be empty.
  std::function<void(const SharedCounts&)> evaluated = {};
};

// Keeps what the next trial may need: decoded images, networks and calibration statistics.
class Session {
 public:
  explicit Session(at::Device device) : device_(device), preparer_(device) {}

  // Throws as Preparer::prepare().
  Prepared prepare(const config::TrialConfig& config, const Listener& listener);

  // Throws as Preparer::prepare(), and Diverged.
  Outcome run(const config::TrialConfig& config, const Listener& listener);

  // Trials that read the same images in the same batches are evaluated together; each has, bit for
  // bit, the outcome of run(). What one trial does wrong ends that trial; throws what concerns them
  // all (no memory), with some of them not yet told.
  void run_group(std::span<const Request> requests, const GroupOptions& options);

 private:
  struct Running;
  void evaluate(std::span<Running*> members, const GroupOptions& options);

  at::Device device_;
  Preparer preparer_;
};

}  // namespace bitsweep::ptq
