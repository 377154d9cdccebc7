// Exact counts over an evaluation, however it was cut into batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitsweep::ptq {

// The place of `label` when classes are ordered by falling logit; among equal logits the lower
// class comes first, so that the first maximum is the prediction. 0 = best.
int rank_of(std::span<const float> logits, std::int32_t label);

class Accuracy {
 public:
  explicit Accuracy(std::int64_t images);

  // logits: [classes] of the image at `position` in file order. Throws Diverged (ptq/statistics.h)
  // where a logit is not a number.
  void add(std::int64_t position, std::span<const float> logits, std::int32_t label);

  std::int64_t images() const { return images_; }
  std::int64_t correct_top1() const { return correct_top1_; }
  std::int64_t correct_top5() const { return correct_top5_; }
  double top1() const;  // fractions
  double top5() const;
  double loss() const;  // mean cross entropy, natural logarithm, summed in float64 as added
  // Unweighted mean of the top-1 fractions of successive batches of `batch_size` images in file
  // order: the last one, however short, weighs as much as a full one (facts 002 A.6, the figure
  // that document 002 published).
  double top1_batch_mean(std::int64_t batch_size) const;
  // Bit i of byte i / 8, most significant first (numpy.packbits): image i was right.
  const std::vector<std::byte>& bitmap() const { return bitmap_; }

 private:
  bool was_right(std::int64_t position) const;

  std::int64_t images_ = 0;
  std::int64_t added_ = 0;
  std::int64_t correct_top1_ = 0;
  std::int64_t correct_top5_ = 0;
  double loss_sum_ = 0;
  std::vector<std::byte> bitmap_;
};

}  // namespace bitsweep::ptq
