#include "ptq/accuracy.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "ptq/statistics.h"

namespace bitsweep::ptq {
namespace {

// −log softmax(logits)[label], in float64, without overflow.
double cross_entropy(std::span<const float> logits, std::int32_t label) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[static_cast<std::size_t>(label)];
}

}  // namespace

int rank_of(std::span<const float> logits, std::int32_t label) {
  const float own = logits[static_cast<std::size_t>(label)];
  int rank = 0;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    const bool lower_class = k < static_cast<std::size_t>(label);
    if (logits[k] > own || (logits[k] == own && lower_class)) ++rank;
  }
  return rank;
}

Accuracy::Accuracy(std::int64_t images)
    : images_(images), bitmap_(static_cast<std::size_t>((images + 7) / 8)) {}

void Accuracy::add(std::int64_t position, std::span<const float> logits, std::int32_t label) {
  BITSWEEP_CHECK(position >= 0 && position < images_, "image {} of {}", position, images_);
  BITSWEEP_CHECK(label >= 0 && static_cast<std::size_t>(label) < logits.size(),
                 "label {} of {} classes", label, logits.size());
  for (const float logit : logits) {
    if (!std::isfinite(logit)) {
      throw Diverged(fmt::format("a logit of image {} is {}", position, logit));
    }
  }
  ++added_;
  loss_sum_ += cross_entropy(logits, label);
  const int rank = rank_of(logits, label);
  if (rank < 5) ++correct_top5_;
  if (rank > 0) return;
  ++correct_top1_;
  bitmap_[static_cast<std::size_t>(position / 8)] |= std::byte{0x80} >> (position % 8);
}

bool Accuracy::was_right(std::int64_t position) const {
  const std::byte bit = std::byte{0x80} >> (position % 8);
  return (bitmap_[static_cast<std::size_t>(position / 8)] & bit) != std::byte{0};
}

double Accuracy::top1() const {
  return static_cast<double>(correct_top1_) / static_cast<double>(added_);
}
double Accuracy::top5() const {
  return static_cast<double>(correct_top5_) / static_cast<double>(added_);
}
double Accuracy::top1_batch_mean(std::int64_t batch_size) const {
  BITSWEEP_CHECK(batch_size > 0, "batches of {} images", batch_size);
  double sum = 0;
  std::int64_t batches = 0;
  for (std::int64_t begin = 0; begin < images_; begin += batch_size, ++batches) {
    const std::int64_t end = std::min(begin + batch_size, images_);
    std::int64_t right = 0;
    for (std::int64_t i = begin; i < end; ++i) right += was_right(i) ? 1 : 0;
    sum += static_cast<double>(right) / static_cast<double>(end - begin);
  }
  return sum / static_cast<double>(batches);
}
double Accuracy::loss() const { return loss_sum_ / static_cast<double>(added_); }

}  // namespace bitsweep::ptq
