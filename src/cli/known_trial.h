// A trial that has succeeded, from the database or from a report folder alone.
#pragma once

#include <string>

#include "store/record.h"

namespace bitsweep::cli {

// The trial as it was, and the successful attempt to compare with: the latest.
struct KnownTrial {
  store::TrialRecord trial;
  store::AttemptRecord attempt;
};

// id: a key, its first digits or a name in `database`; or REPORT#CELL, a line of the report
// folder's trials.jsonl by cell anchor or start of its key. Throws ConfigError where there is no
// such trial, or it has never succeeded.
KnownTrial find_known_trial(const std::string& id, const std::string& database);

}  // namespace bitsweep::cli
