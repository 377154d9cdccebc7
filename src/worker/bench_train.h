// `bitsweep bench train`: what a training step costs, beside eager LibTorch and beside itself.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct TrainBenchOptions {
  int repeats = 7;
  int threads = 1;
};

// Rows {name, peer, unit, ours, peer_value, ratio, repeats, threads, note}, ResNet20 (shortcut B)
// on batches of 128. `ours` and `peer_value` are median images per second; `ratio` is as the note
// says, the median over pairs of steps one after the other. Eager LibTorch is the same network by
// its operators and its autograd, in channels-last order, and its optimizer's operations; with
// fake-quantize operators, those that its own quantization-aware training uses.
nlohmann::json bench_train(const TrainBenchOptions& options);

}  // namespace bitsweep::worker
