// Softmax cross-entropy with label smoothing (Szegedy 2016, arXiv 1512.00567, section 7; the
// semantics of torch.nn.functional.cross_entropy): the only place where its formulas stand.
// With p = softmax(z), K classes, smoothing ε and label t, a row's loss is
//   (1 − ε) · (−log p_t) + ε/K · Σ_k (−log p_k)
// and its derivative by z_k is p_k − target_k, where target_k = (1 − ε)·[k = t] + ε/K.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// Sums over rows.
struct LossSum {
  double loss;
  std::int64_t correct;  // rows whose first largest logit is the label's
};

// Rows are summed in this many lanes (row r in lane r % kLossLanes), then the lanes pairwise
// (lane i + lane i + kLossLanes/2, and so on): an order that one block of threads can follow.
inline constexpr int kLossLanes = 256;

BITSWEEP_FORMULA LossSum add(const LossSum& a, const LossSum& b) {
  return {a.loss + b.loss, a.correct + b.correct};
}

// One row: logits, grad: [classes]; grad may be null, else it gets the derivative of
// loss / rows. exp and log in float64; sums over classes in their order. A logit that is not
// finite, or a label that is no class, gives a loss that is not finite: every logit enters the
// smoothing term, even where its weight is 0.
BITSWEEP_FORMULA LossSum softmax_loss_row(const float* logits, std::int32_t label,
                                          std::int64_t classes, double smoothing, double rows,
                                          float* grad) {
  std::int64_t largest = 0;
  double sum = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) {
    if (logits[k] > logits[largest]) largest = k;
    sum += static_cast<double>(logits[k]);
  }
  // Shifted by the largest logit, so that no exponential overflows.
  const double shift = static_cast<double>(logits[largest]);
  double total = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) total += exp(static_cast<double>(logits[k]) - shift);
  const double log_total = shift + log(total);
  const double count = static_cast<double>(classes);
  const double share = smoothing / count;
  const bool known = label >= 0 && label < classes;
  const double target = known ? static_cast<double>(logits[label]) : NAN;
  if (grad != nullptr) {
    for (std::int64_t k = 0; k < classes; ++k) {
      const double p = exp(static_cast<double>(logits[k]) - shift) / total;
      const double wanted = k == label ? (1.0 - smoothing) + share : share;
      grad[k] = static_cast<float>((p - wanted) / rows);
    }
  }
  return {(1.0 - smoothing) * (log_total - target) + share * (count * log_total - sum),
          static_cast<std::int64_t>(largest == label)};
}

}  // namespace bitsweep::kernels
