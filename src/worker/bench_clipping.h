// `bitsweep bench ptq`: what clipping by least squared error costs beside finding the extremes.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct ClippingBenchOptions {
  int repeats = 5;
  int threads = 1;
};

// Rows as bench_ptq() gives them, and `same_choice`: whether the range of each grid is the one that
// trying all candidates on the values themselves finds (per tensor alone; true or false). An
// activation of 128 images in the first stage of a network for ImageNet, 128 × 64 × 56 × 56, from
// values to chosen ranges as calibration does it, against finding its extremes. `ours` and
// `peer_value` are million values a second; `ratio` is the time of ours over that of the peer.
nlohmann::json bench_clipping(const ClippingBenchOptions& options);

}  // namespace bitsweep::worker
