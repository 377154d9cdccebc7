// A network with its float32 weights, as it runs before anything is quantized.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::ptq {

struct FloatNetwork {
  graph::Graph graph;  // batch norms folded where the configuration says so
  graph::Parameters weights;
  std::string weights_sha256;  // of the file
  graph::TotalCount as_is;     // of the network before folding, unquantized
};

// Networks that several configurations start from: built and read once, so that what is equal is
// the same object.
class FloatNetworks {
 public:
  // config.model.weights is a file. Throws ConfigError for what the network cannot have or where no
  // weights are set, DataError for missing or damaged weights.
  std::shared_ptr<const FloatNetwork> get(const config::TrialConfig& config,
                                          const data::Dataset& dataset);

 private:
  struct Key {
    std::string weights_sha256;
    config::ModelConfig model;  // its weights left out
    std::int64_t classes = 0;
    bool folded = false;
    bool equalized = false;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Entry {
    Key key;
    std::shared_ptr<const FloatNetwork> network;
  };
  std::vector<Entry> kept_;
};

}  // namespace bitsweep::ptq
