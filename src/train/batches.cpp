#include "train/batches.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "data/augment.h"
#include "data/order.h"

namespace bitsweep::train {

Batches::Batches(const config::TrialConfig& config, const data::Dataset& dataset,
                 std::shared_ptr<const data::Images> train,
                 std::shared_ptr<const data::Images> test, at::Device device)
    : train_(std::move(train)),
      test_(std::move(test)),
      split_(data::split_validation(*train_, config.data.validation_images.value_or(0))),
      normalization_(data::normalization(config.data.normalize, dataset)),
      device_(device),
      seed_(config.seed),
      augment_(config.train.augment),
      batch_size_(config.train.batch_size) {
  const auto images = static_cast<std::int64_t>(split_.training.size());
  steps_per_epoch_ = (images + batch_size_ - 1) / batch_size_;
}

Batch Batches::empty(const data::Images& images, std::size_t count) const {
  const auto n = static_cast<std::int64_t>(count);
  return {at::empty({n, images.shape.channels, images.shape.height, images.shape.width},
                    at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast)),
          at::empty({n}, at::TensorOptions(at::kInt))};
}

Batch Batches::of_step(std::int64_t step) {
  const c10::InferenceMode inference;
  const std::int64_t epoch = step / steps_per_epoch_;
  if (order_epoch_ != epoch) {
    order_ = data::epoch_order(static_cast<std::int64_t>(split_.training.size()), seed_,
                               static_cast<std::uint32_t>(epoch));
    for (std::int64_t& i : order_) i = split_.training[static_cast<std::size_t>(i)];
    order_epoch_ = epoch;
  }
  const auto begin = static_cast<std::size_t>(step % steps_per_epoch_ * batch_size_);
  const auto positions = std::span<const std::int64_t>(order_).subspan(
      begin, std::min(static_cast<std::size_t>(batch_size_), order_.size() - begin));
  Batch batch = empty(*train_, positions.size());
  const data::Augmentation augmentation{.enabled = augment_};
  data::training_batch(*train_, positions, normalization_, augmentation, seed_,
                       static_cast<std::uint32_t>(epoch), batch.images.mutable_data_ptr<float>(),
                       batch.labels.mutable_data_ptr<std::int32_t>());
  batch.images = batch.images.to(device_);
  return batch;
}

Batch Batches::plain(const data::Images& images, std::span<const std::int64_t> positions) const {
  const c10::InferenceMode inference;
  Batch batch = empty(images, positions.size());
  data::evaluation_batch(images, positions, normalization_, batch.images.mutable_data_ptr<float>(),
                         batch.labels.mutable_data_ptr<std::int32_t>());
  batch.images = batch.images.to(device_);
  return batch;
}

}  // namespace bitsweep::train
