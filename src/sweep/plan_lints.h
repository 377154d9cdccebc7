// What a plan's author should know before it runs: lints, and claims that could never be held
// against anything.
#pragma once

#include <vector>

#include "sweep/expand.h"
#include "sweep/lint.h"
#include "sweep/plan.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// Throws ConfigError for a claim whose `where` matches no point of `written`, the sweep as its file
// says. One that only the command line leaves without a point is a lint.
void check_claims(const SweepFile& sweep, const SweepFile& written, const Expansion& expansion,
                  std::vector<Lint>& lints);

// A table whose rows or columns are nothing that results have, or whose `where` matches no point.
void lint_tables(const SweepFile& sweep, const Expansion& expansion, std::vector<Lint>& lints);

// Keys without effect, calibration on test images, selection on test images, training with one
// seed, first and last layer left to the scheme's default.
void lint_trials(const SweepFile& sweep, const std::vector<PlannedTrial>& trials,
                 std::vector<Lint>& lints);

}  // namespace bitsweep::sweep
