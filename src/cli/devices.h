// From `--device`, `--jobs`, `--threads` to slots.
#pragma once

#include <string>
#include <vector>

#include "run/supervisor.h"

namespace bitsweep::cli {

// "auto": the GPUs where there are any, else the processor. `jobs` = 0: one slot a GPU, or as many
// as the cores hold with `threads` each. Throws ConfigError for a word that is no device and
// EnvironmentError for a GPU that is not there.
std::vector<run::Slot> choose_slots(const std::string& device, int jobs, int threads);

}  // namespace bitsweep::cli
