// A hook for tests of failure handling, without effect unless the variable is set.
//   BITSWEEP_TEST_FAULT=KIND@PHASE:COUNT
// makes a worker fail once PHASE has done so many images (calibrate, evaluate) or steps (train).
// KIND is `crash` (SIGSEGV), `kill` (SIGKILL), `hang`, `oom`, or `wait`, which goes on when a
// training is asked to stop (worker/stop.h).
#pragma once

#include <cstdint>

namespace bitsweep::worker {

// Throws std::bad_alloc for `oom`; does not return for `crash`, `kill` and `hang`.
void test_fault(const char* phase, std::int64_t done);

}  // namespace bitsweep::worker
