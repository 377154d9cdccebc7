// Gradients on a grid with noise, one range per sample (docs/numerics.md, "Gradients"; the formula:
// gradient_quantizer_math.h).
#pragma once

#include <cstdint>

#include "kernels/gradient_quantizer_math.h"
#include "kernels/layout.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// Throws std::invalid_argument unless bits are 1–16. All functions below begin with it.
void check(const GradientQuantizer& quantizer);

// g, g_q: [layout] float32, the same array or no overlap. layout.channels are the samples: {1, N,
// elements of one}. extremes: [layout.channels], what min_max found of g. NaN stays NaN.

// CPU, on the calling thread; the same bits for every instruction set and on the GPU.
// noise: [layout], within [−1/2, 1/2].
void quantize_gradients_cpu(const float* g, float* g_q, const float* noise,
                            const ChannelLayout& layout, const MinMax* extremes,
                            const GradientQuantizer& quantizer);
// Noise of element i: draw i of `random`.
void quantize_gradients_cpu(const float* g, float* g_q, const RandomStream& random,
                            const ChannelLayout& layout, const MinMax* extremes,
                            const GradientQuantizer& quantizer);

// CUDA; arrays in memory of the stream's device (the null stream: the current device). Returns when
// the work is queued. Throws CudaError (kernels/error.h), also in a build without CUDA.
void quantize_gradients_cuda(const float* g, float* g_q, const RandomStream& random,
                             const ChannelLayout& layout, const MinMax* extremes,
                             const GradientQuantizer& quantizer, Stream stream);

}  // namespace bitsweep::kernels
