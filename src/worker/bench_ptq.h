// `bitsweep bench ptq`: what quantized evaluation costs beside full precision.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct PtqBenchOptions {
  int repeats = 5;
  int threads = 1;
};

// Rows {name, peer, unit, ours, peer_value, ratio, repeats, threads, note}: the carried ResNet20 on
// the carried images, 4-bit weights and activations against float32 of the same folded network.
// `ours` and `peer_value` are median images per second; `ratio` is the time of ours over the time
// of the peer, the median over pairs of runs one after the other. Throws DataError where the
// carried files are missing.
nlohmann::json bench_ptq(const PtqBenchOptions& options);

}  // namespace bitsweep::worker
