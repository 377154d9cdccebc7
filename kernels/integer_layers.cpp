// The entry points of integer_layers.h: check, pick the loop for this processor.
#include "kernels/integer_layers.h"

#include <stdexcept>
#include <string>

#include "kernels/integer_loops.h"

namespace bitsweep::kernels {
namespace {

void check(const Convolution& c) {
  const bool bytes = c.input.type == CodeType::u8;
  if (!bytes && c.input.type != CodeType::s16)
    throw std::invalid_argument("kernels: a convolution reads codes of 8 or 16 bits");
  if (c.depth <= 0 || c.depth % (bytes ? 4 : 2) != 0)
    throw std::invalid_argument("kernels: a convolution over " + std::to_string(c.depth) +
                                " channels; expected a multiple of " + (bytes ? "4" : "2"));
}

}  // namespace

bool convolve_uses_vnni() {
#if defined(__x86_64__)
  return active_instruction_set() == InstructionSet::x86_64_v4 &&
         __builtin_cpu_supports("avx512vnni") != 0;
#else
  return false;
#endif
}

void convolve(const Convolution& c) {
  check(c);
#if defined(__x86_64__)
  if (convolve_uses_vnni()) return vnni::convolve(c);
#endif
  pick(&baseline::convolve, &x86_64_v3::convolve, &x86_64_v4::convolve)(c);
}

void convolve_depthwise(const Convolution& c) {
  if (c.input.type == CodeType::s32)
    throw std::invalid_argument("kernels: a convolution reads codes of 8 or 16 bits");
  pick(&baseline::convolve_depthwise, &x86_64_v3::convolve_depthwise,
       &x86_64_v4::convolve_depthwise)(c);
}

void input_codes(const float* x, std::int32_t* codes, std::int64_t n, double scale,
                 std::int32_t low, std::int32_t high) {
  pick(&baseline::input_codes, &x86_64_v3::input_codes, &x86_64_v4::input_codes)(x, codes, n, scale,
                                                                                 low, high);
}

}  // namespace bitsweep::kernels
