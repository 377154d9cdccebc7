// The batches that a network trains and is evaluated on, on its device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"
#include "data/normalize.h"
#include "data/split.h"

namespace bitsweep::train {

// Labelled images as the network reads them.
struct Batch {
  at::Tensor images;  // [batch, 3, height, width] float32 in channels-last order, on the device
  at::Tensor labels;  // [batch] int32, on the host
};

class Batches {
 public:
  // Throws ConfigError where data.validation_images leaves nothing to train on.
  Batches(const config::TrialConfig& config, const data::Dataset& dataset,
          std::shared_ptr<const data::Images> train, std::shared_ptr<const data::Images> test,
          at::Device device);

  // The last batch of an epoch may be smaller.
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  // The batch of a step (from 0): images, crops and flips are drawn by (seed, epoch, image).
  Batch of_step(std::int64_t step);

  const data::Images& train() const { return *train_; }
  const data::Images& test() const { return *test_; }
  // Positions in train() that are held back; empty where none are.
  std::span<const std::int64_t> validation() const { return split_.validation; }
  // Positions in train() that a step may draw, in file order.
  std::span<const std::int64_t> training() const { return split_.training; }
  // These images as they are.
  Batch plain(const data::Images& images, std::span<const std::int64_t> positions) const;

 private:
  Batch empty(const data::Images& images, std::size_t count) const;

  std::shared_ptr<const data::Images> train_, test_;
  data::TrainSplit split_;
  data::Normalization normalization_;
  at::Device device_;
  std::uint64_t seed_;
  bool augment_;
  std::int64_t batch_size_;
  std::int64_t steps_per_epoch_;
  std::vector<std::int64_t> order_;  // of epoch order_epoch_
  std::int64_t order_epoch_ = -1;
};

}  // namespace bitsweep::train
