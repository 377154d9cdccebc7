// DoReFa's quantized gradients on tensors (kernels/gradient_quantizer.h): one range per image.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/gradient_quantizer_math.h"
#include "kernels/philox_math.h"

namespace bitsweep::exec {

// The gradient that arrives at a layer's output, on its grid with noise: a new tensor of g's type.
// g: [batch, channels, height, width] in channels-last order, float32 or bfloat16; element i in
// memory order gets draw i of `random`.
at::Tensor quantized_gradient(const at::Tensor& g, const kernels::GradientQuantizer& quantizer,
                              const kernels::RandomStream& random);

}  // namespace bitsweep::exec
