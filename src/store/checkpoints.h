// Checkpoints of a training: <attempt folder>/checkpoints/<step>.safetensors. Which there are,
// which a new attempt may continue from, and which are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace bitsweep::store {

struct Checkpoint {
  std::filesystem::path path;
  std::int64_t step = 0;  // steps done
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// Those of one attempt, newest step first. Other files in the folder are passed over.
std::vector<Checkpoint> checkpoints_in(const std::filesystem::path& attempt_folder);

// What a new attempt of trial `key` may continue from: checkpoints of its attempts without a
// result, newest step first, of equal steps those of the later attempt.
std::vector<Checkpoint> resumable_checkpoints(const std::filesystem::path& runs,
                                              const std::string& key);

// budget.keep_checkpoints
struct Retention {
  std::int64_t last = 1;
  std::int64_t best = 1;
};

// Removes the attempt's checkpoints but the `last` newest and the `best` of those that have a score
// (step → top1; of equal scores the earlier). Returns what is left, newest first.
std::vector<Checkpoint> prune_checkpoints(const std::filesystem::path& attempt_folder,
                                          const Retention& retention,
                                          const std::map<std::int64_t, double>& scores);

// Removes all checkpoints of the trial's attempts but those of attempt `number`: it has succeeded.
void remove_other_checkpoints(const std::filesystem::path& runs, const std::string& key,
                              std::int64_t number);

}  // namespace bitsweep::store
