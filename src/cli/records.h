// A loaded plan in the shape in which the store keeps it: what `run` puts there and `report` reads.
#pragma once

#include <vector>

#include "store/record.h"
#include "sweep/plan.h"

namespace bitsweep::cli {

struct PlanRecords {
  store::SweepRecord
      sweep;  // its plan is plan_to_json with "source" and "tables" (report/collect.h)
  std::vector<store::TrialRecord> trials;  // in plan order
};

// A claim whose source prints no number becomes a lint: there is nothing to hold trials against.
PlanRecords records_of(const sweep::LoadedPlan& loaded);

}  // namespace bitsweep::cli
