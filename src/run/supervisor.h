// Runs trials on worker processes: one process a slot, kept between trials, replaced when it dies.
// A dead worker costs one attempt of one trial; a dead supervisor takes its workers with it and
// costs nothing that was finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run/progress.h"
#include "run/task.h"
#include "store/store.h"

namespace bitsweep::run {

// Where a worker runs: "cpu" or "cuda:0", and how many threads its trials use.
struct Slot {
  std::string device = "cpu";
  int threads = 1;
};

struct SupervisorOptions {
  std::filesystem::path worker_program;
  std::string command;         // what was typed, for the record
  nlohmann::json environment;  // run/provenance.h, stored with every attempt
  std::vector<Slot> slots;
  bool fail_fast = false;  // start nothing more after the first failed trial
  bool share = true;       // one evaluation for several post-training trials (Task::evaluation)
  std::int64_t cache_bytes = std::int64_t{2} << 30;  // what such an evaluation may hold
};

// What evaluations that served several trials saved; node evaluations are of one batch each.
struct SharedSummary {
  std::int64_t trials = 0;
  std::int64_t evaluations = 0;
  std::int64_t nodes_alone = 0;
  std::int64_t nodes_computed = 0;
  std::int64_t peak_bytes = 0;
};

struct RunSummary {
  int ok = 0;
  int failed = 0;
  int skipped = 0;                    // for want of the weights of a trial that did not succeed
  int cached = 0;                     // found done by another supervisor while this one ran
  int resumable = 0;                  // preempted with a checkpoint to go on from
  SharedSummary shared;
  int signal = 0;                     // SIGINT or SIGTERM that ended the run, or 0
  std::vector<std::string> failures;  // "name: class: message", in order of happening
};

// Runs every task that no other supervisor is running or has done. Blocks until all are finished,
// or a SIGINT or SIGTERM arrives: running trials are then recorded as preempted and can be run
// again, a training from the checkpoint that it writes first. Throws EnvironmentError where workers
// cannot be started at all.
//
// Trials that one evaluation serves together each have an attempt of their own. What ends their
// worker says nothing about any one of them: the unfinished ones are recorded so and tried again
// alone, beyond their retries. Together they have as much time as the sum of their limits.
RunSummary supervise(const std::vector<Task>& tasks, const SupervisorOptions& options,
                     store::Store& store, Progress& progress);

}  // namespace bitsweep::run
