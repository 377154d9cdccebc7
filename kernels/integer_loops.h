// The loops behind integer_layers.h, as cpu_loops.h has them for the other kernels, and the one
// that needs AVX512-VNNI beside x86-64-v4. Not for callers outside this folder.
#pragma once

#include "kernels/cpu_loops.h"
#include "kernels/integer_layers.h"

namespace bitsweep::kernels {

namespace baseline {
#include "kernels/integer_loops.inc"
}
#if defined(__x86_64__)
namespace x86_64_v3 {
#include "kernels/integer_loops.inc"
}
namespace x86_64_v4 {
#include "kernels/integer_loops.inc"
}
namespace vnni {
void convolve(const Convolution& c);
}
#endif

}  // namespace bitsweep::kernels
