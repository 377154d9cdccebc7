// Which trials of a plan run, and why: what the database knows, held against what is asked.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"
#include "sweep/plan.h"

namespace bitsweep::run {

enum class Action {
  run,      // by the next `run`
  done,     // has a successful attempt: cached
  failed,   // failed in a way that would repeat itself; --rerun-failed runs it
  running,  // another supervisor is at it; `run` waits for it
  blocked,  // needs a file, another trial, or something that this version cannot do
};
std::string_view to_string(Action action);

struct Decision {
  Action action = Action::run;
  std::string reason;  // one phrase: "not run yet", "attempt 1 crashed: …"
  std::int64_t successes_seen = 0;
  std::optional<double> past_seconds;  // of its latest successful attempt
  std::string waits_for_name;  // of the trial whose weights it takes (PlannedTrial::waits_for)
};

struct DecideOptions {
  bool force = false;  // done trials run again
  bool rerun_failed = false;
  bool rerun_numerics = false;  // done trials whose method has a newer numerics_version run again
};

// One decision a trial of `plan`. `store`: nullptr where there is no database yet.
std::vector<Decision> decide(const sweep::Plan& plan, const store::Store* store,
                             const DecideOptions& options);

// The numerics_version of every method that the trial uses: {"aciq": 1}. Stored with each
// attempt.
nlohmann::json numerics_version(const config::Settings& settings);

}  // namespace bitsweep::run
