#include "kernels/cuda_check.cuh"
#include "kernels/device.h"

namespace bitsweep::kernels {

bool built_with_cuda() { return true; }

int cuda_device_count() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();  // no driver is an answer, not an error for the next call to find
  return status == cudaSuccess ? count : 0;
}

bool cuda_available() { return cuda_device_count() > 0; }

std::string cuda_device_name(int index) {
  const int count = cuda_device_count();
  if (index < 0 || index >= count)
    throw CudaError("CUDA device " + std::to_string(index) + " does not exist: this machine has " +
                    std::to_string(count));
  cudaDeviceProp properties;
  BITSWEEP_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
  return properties.name;
}

}  // namespace bitsweep::kernels
