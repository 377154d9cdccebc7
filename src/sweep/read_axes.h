// [[axis]] tables of a sweep file.
#pragma once

#include <vector>

#include "config/toml.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// In file order, with their conditions. Throws ConfigError for an axis without points, rows of
// another length than their keys, two axes on one key or of one name.
std::vector<Axis> read_axes(const config::Entry& root);

// Throws ConfigError where `key` is the seed: replicates are no axis.
void refuse_seed(config::KeyIndex key, const config::Place& place);

}  // namespace bitsweep::sweep
