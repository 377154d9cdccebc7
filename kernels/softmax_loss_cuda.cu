#include "kernels/cuda_check.cuh"
#include "kernels/softmax_loss.h"

namespace bitsweep::kernels {
namespace {

// One block: a thread is a lane of the CPU's sum. A training batch has about as many rows as that.
__global__ void softmax_loss_kernel(const float* logits, const std::int32_t* labels,
                                    std::int64_t rows, std::int64_t classes, double smoothing,
                                    float* grad, LossSum* out) {
  __shared__ LossSum lanes[kLossLanes];
  const int lane = static_cast<int>(threadIdx.x);
  LossSum sum{0.0, 0};
  for (std::int64_t row = lane; row < rows; row += kLossLanes) {
    const std::int64_t at = row * classes;
    sum = add(sum,
              softmax_loss_row(logits + at, labels[row], classes, smoothing,
                               static_cast<double>(rows), grad == nullptr ? nullptr : grad + at));
  }
  lanes[lane] = sum;
  for (int half = kLossLanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) lanes[lane] = add(lanes[lane], lanes[lane + half]);
  }
  if (lane == 0) *out = lanes[0];
}

}  // namespace

void softmax_loss_cuda(const float* logits, const std::int32_t* labels, std::int64_t rows,
                       std::int64_t classes, double smoothing, float* grad, LossSum* out,
                       Stream stream) {
  softmax_loss_kernel<<<1, kLossLanes, 0, native(stream)>>>(logits, labels, rows, classes,
                                                            smoothing, grad, out);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
