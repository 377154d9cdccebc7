// Turns CUDA error codes into exceptions that say where and what.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "kernels/error.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

inline void cuda_check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  throw CudaError(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                  cudaGetErrorName(status) + ": " + cudaGetErrorString(status));
}

inline cudaStream_t native(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

}  // namespace bitsweep::kernels

#define BITSWEEP_CUDA_CHECK(call) ::bitsweep::kernels::cuda_check((call), #call, __FILE__, __LINE__)
