// Gathers what a report needs from the store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/input.h"
#include "store/store.h"

namespace bitsweep::report {

// `trials`: the sweep's, in plan order, each with its membership of this sweep. What the database
// knows of them comes along; `store` is nullptr where nothing has run yet. Tables, skipped points
// and lints come from the frozen plan. Throws StoreError.
ReportInput collect(const store::Store* store, const store::SweepRecord& sweep,
                    const std::vector<store::TrialRecord>& trials);

// A sweep by the name under which the database knows it. Throws ConfigError with the names that it
// knows.
ReportInput collect_by_name(const store::Store& store, std::string_view name);

}  // namespace bitsweep::report
