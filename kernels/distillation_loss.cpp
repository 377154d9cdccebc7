#include "kernels/distillation_loss.h"

#include <stdexcept>

#include "kernels/distillation_loss_math.h"

namespace bitsweep::kernels {

double distillation_loss_cpu(const float* student, const float* teacher, std::int64_t rows,
                             std::int64_t classes, const Distillation& settings, float* grad) {
  if (!(settings.temperature > 0) || !(settings.weight >= 0 && settings.weight <= 1))
    throw std::invalid_argument("kernels: distillation wants temperature > 0 and weight 0…1");
  double sum = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = row * classes;
    sum += distillation_loss_row(student + at, teacher + at, classes, settings.temperature,
                                 settings.weight, static_cast<double>(rows), grad + at);
  }
  return sum;
}

}  // namespace bitsweep::kernels
