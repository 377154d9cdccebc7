// The loop of softmax_loss.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {

void softmax_loss(const float* logits, const std::int32_t* labels, std::int64_t rows,
                  std::int64_t classes, double smoothing, float* grad, LossSum* out) {
  LossSum lanes[kLossLanes] = {};
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = row * classes;
    lanes[row % kLossLanes] =
        add(lanes[row % kLossLanes],
            softmax_loss_row(logits + at, labels[row], classes, smoothing,
                             static_cast<double>(rows), grad == nullptr ? nullptr : grad + at));
  }
  for (int half = kLossLanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] = add(lanes[lane], lanes[lane + half]);
  *out = lanes[0];
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
