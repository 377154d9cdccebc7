// Distillation of logits over a batch (kernels/distillation_loss_math.h).
#pragma once

#include <cstdint>

namespace bitsweep::kernels {

struct Distillation {
  double temperature = 4;  // > 0
  double weight = 1;       // 0…1: the share of this loss in the whole
};

// grad = (1 − weight) · grad + weight · the derivative of the *mean* loss by the student's logits.
// Returns the *sum* of the loss over rows; 0 for none. student, teacher: [rows, classes] float32,
// classes >= 1; grad: the same, not overlapping them. Throws std::invalid_argument for settings out
// of range. On the calling thread, rows in their order. There is no GPU twin, on purpose: a batch
// of logits is a few KiB, and its caller brings them to the host.
double distillation_loss_cpu(const float* student, const float* teacher, std::int64_t rows,
                             std::int64_t classes, const Distillation& settings, float* grad);

}  // namespace bitsweep::kernels
