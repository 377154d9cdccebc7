// Under which libraries, devices and data the trials of a report ran.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "report/document.h"
#include "report/input.h"

namespace bitsweep::report {

// Fingerprints of the successful attempts, flattened: name → value → how many trials.
using Provenance = std::map<std::string, std::map<std::string, std::int64_t>>;
Provenance provenance_of(const ReportInput& input);
Table provenance_table(const Provenance& provenance);

}  // namespace bitsweep::report
