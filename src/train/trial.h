// A training trial from its configuration to its numbers: trains in full precision or with
// quantizers in the graph, resumes from a checkpoint as if it had never stopped, evaluates.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/image_cache.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "ptq/accuracy.h"
#include "train/epoch_record.h"
#include "train/integer_evaluation.h"

namespace bitsweep::train {

// One value of a series. Progress lines show the latest "train.loss" and "top1"; the checkpoints
// that retention calls best are those with the highest "top1" of an epoch.
struct Point {
  std::string name;  // "train.loss", "lr", "alpha.<node>", "top1", …
  double value = 0;
  std::int64_t step = 0;        // steps done when it was taken
  std::optional<double> epoch;  // set on values of a whole epoch: epochs done
};

// What happens on the way; every member may be empty.
struct Listener {
  // phase: "train" (in steps) or "evaluate" (in images).
  std::function<void(const char* phase, std::int64_t done, std::int64_t total, const char* unit)>
      progress;
  std::function<void(std::span<const Point> points)> metrics;
  // Asked after every step; true: write a checkpoint and return.
  std::function<bool()> stop;
};

struct Outcome {
  bool stopped = false;       // by Listener::stop: a checkpoint is written, nothing below is filled
  ptq::Accuracy accuracy{0};  // of the selected epoch, on the test images
  // Where quant.integer.execute asks for it: of the same epoch and images.
  std::optional<IntegerEvaluation> integer;
  std::shared_ptr<const graph::Graph> graph;
  graph::Counts counts;
  // All of the trial, those before a resumption too (checkpoints carry them).
  std::vector<EpochRecord> epochs;
  std::int64_t steps = 0;
  std::int64_t selected_epoch = 0;
  double train_loss = 0, train_top1 = 0;  // of the last epoch
  double train_s = 0;                     // of this process, evaluation left out
  double evaluate_s = 0;
  std::int64_t images_trained = 0;          // by this process
  std::string state_sha256;                 // at the end
  std::string weights_sha256;               // of the file it started from, "" from scratch
  std::string teacher_sha256;               // of the file it was distilled from, "" none
  std::string result_sha256;                // of weights.safetensors
  std::optional<std::string> resumed_from;  // checkpoint file
};

// Where a trial writes.
struct Folders {
  // Gets weights.safetensors (the selected epoch: network and α) and checkpoints/<step>.safetensors
  // while it runs.
  std::filesystem::path attempt;
  // Checkpoints that it may continue from, best first; those of another configuration, numeric
  // fingerprint or a damaged file are passed over with a warning.
  std::vector<std::filesystem::path> resume;
  std::string key;  // of the trial
};

class Session {
 public:
  explicit Session(c10::Device device) : device_(device) {}

  // Throws ConfigError for what network, data or device cannot do; DataError for missing or damaged
  // weights and images; ptq::Diverged with layer and step where a loss or parameter is not finite.
  // `stop_after_epochs`: ends after so many epochs with an outcome of those; schedule and
  // everything else stay those of the whole trial (`bitsweep repro --epochs`).
  Outcome run(const config::TrialConfig& config, const Folders& folders, const Listener& listener,
              std::optional<std::int64_t> stop_after_epochs = std::nullopt);

 private:
  c10::Device device_;
  data::ImageCache images_;
};

}  // namespace bitsweep::train
