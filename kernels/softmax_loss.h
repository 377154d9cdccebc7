// Mean softmax cross-entropy over a batch, its gradient, and how many rows are right.
#pragma once

#include <cstdint>

#include "kernels/softmax_loss_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// logits: [rows, classes] float32, classes >= 1; labels: [rows] int32, 0…classes − 1. smoothing:
// ε, 0…1. grad: [rows, classes] float32, the derivative of the *mean* loss by the logits, or null;
// it may not overlap the logits. out: the *sums* over rows (zeros for none). Logits that are not
// finite and labels out of range give a loss that is not finite.

// ---- CPU. On the calling thread; the same bits for every instruction set. ----
void softmax_loss_cpu(const float* logits, const std::int32_t* labels, std::int64_t rows,
                      std::int64_t classes, double smoothing, float* grad, LossSum* out);

// ---- CUDA. As above, `out` included in memory of the stream's device; deterministic. The sums are
// taken in the CPU's order, but the device's exp and log may differ from the C library's in the
// last bit of float64. Returns when the work is queued. Throws CudaError (kernels/error.h), also in
// a build without CUDA. ----
void softmax_loss_cuda(const float* logits, const std::int32_t* labels, std::int64_t rows,
                       std::int64_t classes, double smoothing, float* grad, LossSum* out,
                       Stream stream);

}  // namespace bitsweep::kernels
