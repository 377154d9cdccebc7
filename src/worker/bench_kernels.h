// `bitsweep bench kernels`: CPU kernels against LibTorch's operators and against a plain copy.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct KernelBenchOptions {
  std::int64_t elements = std::int64_t{1}
                          << 23;  // 32 MiB of float32: from memory, not from a cache
  int repeats = 15;
  int threads = 1;  // of our kernels, of LibTorch's operators and of the copy alike
};

// Rows {name, peer, unit, ours, peer_value, ratio, copy_ns_per_element, copy_ratio, elements,
// repeats, threads, instruction_set, note}. `ours`, `peer_value` (the unit is "ns per element") are
// medians; `ratio` (peer / ours) and `copy_ratio` (ours / copy) are medians of ratios taken back to
// back, so that a machine that slows down in between slows both. Where a peer computes the same
// function, its result is compared bit for bit first; throws Error where it differs.
nlohmann::json bench_kernels(const KernelBenchOptions& options);

}  // namespace bitsweep::worker
