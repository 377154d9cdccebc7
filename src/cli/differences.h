// What differs between two attempts at one trial.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "store/record.h"

namespace bitsweep::cli {

struct Difference {
  std::string what;
  std::string before;  // JSON text
  std::string after;
};

// Metrics but those of time and memory, which differ from run to run by their nature; bitmaps; of a
// training the state at the end.
nlohmann::json results_of(const store::AttemptRecord& attempt);
// Of the results that `before` has.
std::vector<Difference> compare_results(const store::AttemptRecord& before,
                                        const store::AttemptRecord& after);
// Names of those that `after` alone has: an earlier version did not measure them.
std::vector<std::string> new_results(const store::AttemptRecord& before,
                                     const store::AttemptRecord& after);

// What can move the last bits of a result (docs/architecture.md, "A trial is a pure function").
std::vector<Difference> compare_fingerprints(const store::AttemptRecord& before,
                                             const store::AttemptRecord& after);

// Of the epochs that `after` ran, those whose state, training loss, evaluation … differ from
// `before`'s. In order, so that the first is where the two parted.
struct EpochDifferences {
  std::int64_t epoch = 0;  // 1 is the first
  std::vector<Difference> differences;
};
std::vector<EpochDifferences> compare_epochs(const store::AttemptRecord& before,
                                             const store::AttemptRecord& after);

}  // namespace bitsweep::cli
