// Which CUDA devices there are. Answers in every build: without CUDA there are none.
#pragma once

#include <string>

namespace bitsweep::kernels {

// Whether this program was built with the CUDA kernels.
bool built_with_cuda();

// Whether a CUDA kernel can run: built with CUDA, a driver, and at least one device. Never throws.
bool cuda_available();

// 0 where cuda_available() is false.
int cuda_device_count();

// The model, such as "NVIDIA H100 80GB HBM3". Throws CudaError unless 0 <= index < count.
std::string cuda_device_name(int index);

}  // namespace bitsweep::kernels
