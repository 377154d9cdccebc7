// The instruction set that CPU kernels use: chosen once from what the processor has, or forced.
#pragma once

#include <cstdint>
#include <vector>

namespace bitsweep::kernels {

enum class InstructionSet : std::uint8_t {
  baseline,   // what the compiler targets by default (x86-64: SSE2)
  x86_64_v3,  // AVX2
  x86_64_v4,  // AVX-512
};

// "baseline", "x86-64-v3", "x86-64-v4".
const char* name(InstructionSet set);

// What this processor can run, weakest first; never empty.
std::vector<InstructionSet> available_instruction_sets();

// What CPU kernels use now: the strongest available unless forced.
InstructionSet active_instruction_set();

// Forces one for the whole process, for tests and benchmarks; results do not change, by contract.
// Throws std::invalid_argument if this processor cannot run it.
void force_instruction_set(InstructionSet set);

}  // namespace bitsweep::kernels
