// The error that CUDA entry points throw. Free of CUDA headers, so that callers can catch it
// without them.
#pragma once

#include <stdexcept>

namespace bitsweep::kernels {

struct CudaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace bitsweep::kernels
