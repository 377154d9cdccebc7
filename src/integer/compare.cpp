#include "integer/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/check.h"

namespace bitsweep::integer {
namespace {

std::int32_t prediction(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
}

}  // namespace

void add_differences(const Tensor& tensor, std::span<const std::int32_t> codes,
                     std::span<const float> values, TensorDifference& out) {
  BITSWEEP_CHECK(codes.size() == values.size(), "'{}': {} codes and {} values", tensor.name,
                 codes.size(), values.size());
  out.name = tensor.name;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::int64_t code = std::llrint(static_cast<double>(values[i]) * tensor.scale);
    const std::int64_t difference = std::abs(code - codes[i]);
    out.largest = std::max(out.largest, difference);
    out.differing += difference != 0 ? 1 : 0;
  }
  out.elements += static_cast<std::int64_t>(codes.size());
}

void PredictionComparison::add(std::span<const float> integer_logits,
                               std::span<const float> float_logits, std::int32_t label) {
  const std::int32_t ours = prediction(integer_logits), theirs = prediction(float_logits);
  ++images_;
  flips_ += ours != theirs ? 1 : 0;
  integer_correct_ += ours == label ? 1 : 0;
  float_correct_ += theirs == label ? 1 : 0;
  only_integer_ += ours == label && theirs != label ? 1 : 0;
  only_float_ += theirs == label && ours != label ? 1 : 0;
}

}  // namespace bitsweep::integer
