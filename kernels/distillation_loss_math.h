// Distillation of logits (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2): the only place
// where its formulas stand. With p = softmax(teacher / T) and q = softmax(student / T), a row's
// loss is
//   T² · Σ_k p_k · (log p_k − log q_k)                          (T² times Kullback and Leibler's)
// and its derivative by student_k is T · (q_k − p_k). No label enters.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// Σ exp((z_k − max z) / T) and the max; in float64, over classes in their order.
struct SoftmaxTotal {
  double shift;
  double log_total;
};

BITSWEEP_FORMULA SoftmaxTotal softmax_total(const float* logits, std::int64_t classes,
                                            double temperature) {
  double shift = static_cast<double>(logits[0]);
  for (std::int64_t k = 1; k < classes; ++k) {
    const double z = static_cast<double>(logits[k]);
    shift = z > shift ? z : shift;
  }
  double total = 0.0;
  for (std::int64_t k = 0; k < classes; ++k)
    total += exp((static_cast<double>(logits[k]) - shift) / temperature);
  return {shift, log(total)};
}

// log softmax(z / T) of class k.
BITSWEEP_FORMULA double log_softmax(float logit, const SoftmaxTotal& total, double temperature) {
  return (static_cast<double>(logit) - total.shift) / temperature - total.log_total;
}

// One row; grad gets (1 − weight) · grad + weight · derivative / rows. Returns the row's loss; one
// that is not finite where a logit is not.
BITSWEEP_FORMULA double distillation_loss_row(const float* student, const float* teacher,
                                              std::int64_t classes, double temperature,
                                              double weight, double rows, float* grad) {
  const SoftmaxTotal of_student = softmax_total(student, classes, temperature);
  const SoftmaxTotal of_teacher = softmax_total(teacher, classes, temperature);
  double divergence = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) {
    const double log_q = log_softmax(student[k], of_student, temperature);
    const double log_p = log_softmax(teacher[k], of_teacher, temperature);
    const double p = exp(log_p);
    divergence += p * (log_p - log_q);
    const double derivative = temperature * (exp(log_q) - p) / rows;
    // At weight 1 what stood there does not count, even where it is not finite.
    const double kept = weight < 1.0 ? (1.0 - weight) * static_cast<double>(grad[k]) : 0.0;
    grad[k] = static_cast<float>(kept + weight * derivative);
  }
  return temperature * temperature * divergence;
}

}  // namespace bitsweep::kernels
