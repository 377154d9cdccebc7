// The loops behind the CPU entry points: one source (*_cpu.cpp), compiled once per instruction set
// into the namespaces below, chosen at run time by pick(). Not for callers outside this folder.
#pragma once

#include <cstdint>

#include "kernels/clamp_quantize_math.h"
#include "kernels/cpu.h"
#include "kernels/fake_quantize_math.h"
#include "kernels/fused_layer.h"
#include "kernels/gradient_quantizer_math.h"
#include "kernels/histogram.h"
#include "kernels/layout.h"
#include "kernels/learned_scale_math.h"
#include "kernels/min_max_math.h"
#include "kernels/moments.h"
#include "kernels/optimizer_math.h"
#include "kernels/philox_math.h"
#include "kernels/softmax_loss_math.h"
#include "kernels/weight_quantizer_math.h"

namespace bitsweep::kernels {

// For the loops of fused_layer.h: per-channel values repeated over the rows of a block, and room
// for a block. Each array has size(layer) entries.
struct FusedTables {
  std::int64_t block_rows;
  const float *scale, *shift, *mean;     // of the norm; 1, 0, 0 without one; mean: or the pivots
  const float *slope, *line, *constant;  // NormGradient
  float *arrived, *passed, *alpha, *sum, *product;

  std::int64_t size(const FusedLayer& layer) const { return block_rows * layer.channels; }
};

namespace baseline {
#include "kernels/cpu_loops.inc"
}
#if defined(__x86_64__)
namespace x86_64_v3 {
#include "kernels/cpu_loops.inc"
}
namespace x86_64_v4 {
#include "kernels/cpu_loops.inc"
}
#else  // other processors have the baseline alone
namespace x86_64_v3 = baseline;
namespace x86_64_v4 = baseline;
#endif

// The variant of a loop for the active instruction set.
template <class Loop>
Loop* pick(Loop* baseline, Loop* v3, Loop* v4) {
  switch (active_instruction_set()) {
    case InstructionSet::x86_64_v4:
      return v4;
    case InstructionSet::x86_64_v3:
      return v3;
    case InstructionSet::baseline:
      return baseline;
  }
  __builtin_unreachable();
}

}  // namespace bitsweep::kernels
