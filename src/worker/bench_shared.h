// `bitsweep bench shared`: what one evaluation for many configurations saves.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct SharedBenchOptions {
  int repeats = 3;
  int threads = 1;
};

// Rows of the carried ResNet20, {name, peer, unit, ours, peer_value, ratio, repeats, threads, note,
// configurations, node_evaluations_alone, node_evaluations, distinct_nodes, bound, of_bound,
// peak_bytes}: a sensitivity sweep (each layer alone at 4 bits) and a grid over the last fifth of
// the layers. `ours` and `peer_value` are median seconds for all configurations together and one
// after the other, preparation included; `ratio` is how many times faster ours is, the median over
// pairs of runs; `bound` is what the distinct nodes promise: node evaluations alone over distinct
// nodes; `of_bound` = ratio / bound. Throws DataError where the carried files are missing.
nlohmann::json bench_shared(const SharedBenchOptions& options);

}  // namespace bitsweep::worker
