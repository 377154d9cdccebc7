// What result.json says of a trial of any kind, and the event that tells of it (run/protocol.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "config/trial.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "ptq/accuracy.h"
#include "run/protocol.h"

namespace bitsweep::worker {

// What a trial took.
struct Cost {
  double seconds = 0;                   // of what several trials share, its part
  std::uint64_t peak_memory_bytes = 0;  // of the process
};

// Time and memory of one assignment, from its construction on.
class Usage {
 public:
  Usage();
  double seconds() const;
  static std::uint64_t peak_memory_bytes();  // of this process, since the latest Usage began
  Cost cost() const { return {seconds(), peak_memory_bytes()}; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// What every kind of trial ends with.
struct Ending {
  const ptq::Accuracy& accuracy;  // on the test images
  const graph::Graph& graph;
  const graph::Counts& counts;
  std::string weights_sha256;       // of the file it started from; "" none
  nlohmann::json metrics;           // further ones
  nlohmann::json fields;            // further fields of result.json: an object
  std::string teacher_sha256 = {};  // of the file it was distilled from; "" none
};

// Writes the bitmap and then, atomically, result.json into the job's folder. Returns the "done"
// event.
nlohmann::json write_result(const run::Job& job, const config::TrialConfig& config,
                            const Cost& cost, const Ending& ending);

}  // namespace bitsweep::worker
