// Where things lie: the programs, the database, reports.
#pragma once

#include <filesystem>

namespace bitsweep::cli {

inline constexpr const char* kDefaultDatabase = "results/results.db";

// bitsweep-worker beside this program, or what BITSWEEP_WORKER names. Not checked for existence.
std::filesystem::path worker_program();

}  // namespace bitsweep::cli
