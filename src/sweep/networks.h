// The networks that a plan's configurations name: each built once, with what its quantization is
// checked against.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "config/settings.h"
#include "config/trial.h"
#include "data/dataset.h"
#include "graph/graph.h"
#include "graph/passes.h"

namespace bitsweep::sweep {

struct Network {
  graph::Graph graph;
  std::int64_t macs = 0;  // for one image
  // After the passes of a scheme: "aciq", or "aciq unfolded".
  std::map<std::string, graph::Folding> passed;
  std::unordered_set<std::string> checked;  // fingerprints of quantizations that it can have
};

class Networks {
 public:
  // The network of `trial`. Throws ConfigError with the place of the setting at fault: an unknown
  // network, an option that it does not offer, images of another shape, a layer rule that matches
  // nothing, widths of another number than it has layers.
  const Network& check(const config::Settings& settings, const config::TrialConfig& trial,
                       const data::Dataset& dataset);

 private:
  std::unordered_map<std::string, Network> networks_;
};

// Throws ConfigError with `place` before the message.
[[noreturn]] void rethrow_at(const config::Place& place, std::string_view message);

}  // namespace bitsweep::sweep
