// One step of an optimizer over flat parameters, in place. Parameter groups (layers that decay,
// norms that do not) are calls of their own on their part of the buffers.
#pragma once

#include <cstdint>

#include "kernels/optimizer_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// All arrays: [n] float32, none overlapping another. Moments start at 0. lr: one value; step: the
// number of this step, from 1. Values that are not finite propagate.

// ---- CPU. On the calling thread; the same bits for every instruction set and every slicing. ----

void sgd_step_cpu(float* parameters, float* momenta, const float* gradients, std::int64_t n,
                  const SgdOptions& options, const float* lr);

void adam_step_cpu(float* parameters, float* first_moments, float* second_moments,
                   const float* gradients, std::int64_t n, const AdamOptions& options,
                   const float* lr, const std::int64_t* step);

// ---- CUDA. As above; every array, lr and step included, in memory of the stream's device, so that
// a captured step reads new values when it is replayed. Return when the work is queued. Throw
// CudaError (kernels/error.h), also in a build without CUDA. ----

void sgd_step_cuda(float* parameters, float* momenta, const float* gradients, std::int64_t n,
                   const SgdOptions& options, const float* lr, Stream stream);

void adam_step_cuda(float* parameters, float* first_moments, float* second_moments,
                    const float* gradients, std::int64_t n, const AdamOptions& options,
                    const float* lr, const std::int64_t* step, Stream stream);

}  // namespace bitsweep::kernels
