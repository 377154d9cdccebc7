// Gradients of fake quantization whose scale and zero point are learned, or follow the weights
// (docs/numerics.md, "Scales that learn"; the formulas: learned_scale_math.h). Forward is
// fake_quantize (fake_quantize.h) on the same grids with the same rounding.
#pragma once

#include <cstdint>

#include "kernels/layout.h"
#include "kernels/learned_scale_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// Throws std::invalid_argument unless bits are 2–16. The functions that take bits begin with it.
void check_max_abs_bits(int bits);

// ---- CPU. On the calling thread; the same bits for every instruction set and on the GPU. ----

// grad_x[i] = dL/dx[i]; grad_scale[c] = factor · dL/dscale of channel c, grad_zero_point[c]
// likewise (nullptr: not wanted). `factor` is LSQ's 1 / sqrt(elements · qmax), or 1.
//
// x, grad_y, grad_x: [layout] float32; grad_x may be the same array as grad_y, not overlap
// otherwise. grids: [layout.channels], scale > 0, origin 0; grad_scale, grad_zero_point:
// [layout.channels].
void learned_scale_backward_cpu(const float* x, const float* grad_y, float* grad_x,
                                const ChannelLayout& layout, const AffineGrid* grids,
                                Rounding rounding, double factor, double* grad_scale,
                                double* grad_zero_point);

// max_abs[c], grids[c] = the largest magnitude of channel c of w: [layout] and the grid that it
// makes.
void max_abs_grids_cpu(const float* w, const ChannelLayout& layout, int bits, MaxAbs* max_abs,
                       AffineGrid* grids);

// grad_w[i] = dL/dw[i] where grids follow w; the channel's maximum also has the scale's gradient.
// grad_w may be the same array as grad_y. max_abs, grids: from max_abs_grids for the same w.
void max_abs_backward_cpu(const float* w, const float* grad_y, float* grad_w,
                          const ChannelLayout& layout, const MaxAbs* max_abs,
                          const AffineGrid* grids);

// ---- CUDA. As above; every array in memory of the stream's device (the null stream: the current
// device). Return when the work is queued. Throw CudaError (kernels/error.h), also in a build
// without CUDA. One block sums a channel, so that the order is the CPU's. ----

void learned_scale_backward_cuda(const float* x, const float* grad_y, float* grad_x,
                                 const ChannelLayout& layout, const AffineGrid* grids,
                                 Rounding rounding, double factor, double* grad_scale,
                                 double* grad_zero_point, Stream stream);

void max_abs_grids_cuda(const float* w, const ChannelLayout& layout, int bits, MaxAbs* max_abs,
                        AffineGrid* grids, Stream stream);

void max_abs_backward_cuda(const float* w, const float* grad_y, float* grad_w,
                           const ChannelLayout& layout, const MaxAbs* max_abs,
                           const AffineGrid* grids, Stream stream);

}  // namespace bitsweep::kernels
