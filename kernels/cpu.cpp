#include "kernels/cpu.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

namespace bitsweep::kernels {
namespace {

std::atomic<InstructionSet>& active() {
  static std::atomic<InstructionSet> set = available_instruction_sets().back();
  return set;
}

}  // namespace

const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::x86_64_v3:
      return "x86-64-v3";
    case InstructionSet::x86_64_v4:
      return "x86-64-v4";
  }
  __builtin_unreachable();
}

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets{InstructionSet::baseline};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v3")) sets.push_back(InstructionSet::x86_64_v3);
  if (__builtin_cpu_supports("x86-64-v4")) sets.push_back(InstructionSet::x86_64_v4);
#endif
  return sets;
}

InstructionSet active_instruction_set() { return active().load(std::memory_order_relaxed); }

void force_instruction_set(InstructionSet set) {
  const auto sets = available_instruction_sets();
  if (std::find(sets.begin(), sets.end(), set) == sets.end())
    throw std::invalid_argument(std::string("this processor cannot run ") + name(set));
  active().store(set, std::memory_order_relaxed);
}

}  // namespace bitsweep::kernels
