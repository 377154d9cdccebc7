// How far an integer network is from the fake-quantized one that it was made from: layer by layer
// in the last place, and over a data set by predictions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "integer/network.h"

namespace bitsweep::integer {

// Codes of one tensor against the real values of the same node, over all images added so far.
struct TensorDifference {
  std::string name;
  std::int64_t largest = 0;    // in codes (LSB): |code − round(value · scale)|
  std::int64_t differing = 0;  // codes that are not equal
  std::int64_t elements = 0;
};

// codes, values: [elements], of one image.
void add_differences(const Tensor& tensor, std::span<const std::int32_t> codes,
                     std::span<const float> values, TensorDifference& out);

// Predictions of two networks on the same images. The first maximum is the prediction.
class PredictionComparison {
 public:
  // [classes] each, of one image.
  void add(std::span<const float> integer_logits, std::span<const float> float_logits,
           std::int32_t label);

  std::int64_t images() const { return images_; }
  std::int64_t integer_correct() const { return integer_correct_; }
  std::int64_t float_correct() const { return float_correct_; }
  std::int64_t flips() const { return flips_; }  // images of another prediction
  // Images that only one of the two gets right: what report::mcnemar_from_counts() takes.
  std::int64_t only_integer() const { return only_integer_; }
  std::int64_t only_float() const { return only_float_; }

 private:
  std::int64_t images_ = 0, integer_correct_ = 0, float_correct_ = 0, flips_ = 0;
  std::int64_t only_integer_ = 0, only_float_ = 0;
};

}  // namespace bitsweep::integer
