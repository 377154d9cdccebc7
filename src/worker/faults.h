// A hook for tests of failure handling, without effect unless the variable is set.
//   BITSWEEP_TEST_FAULT=KIND@PHASE:IMAGES
// makes a worker fail once PHASE (calibrate, evaluate) has done that many images. KIND is `crash`
// (SIGSEGV), `kill` (SIGKILL), `hang`, or `oom`.
#pragma once

#include <cstdint>

namespace bitsweep::worker {

// Throws std::bad_alloc for `oom`; does not return for the others.
void test_fault(const char* phase, std::int64_t images_done);

}  // namespace bitsweep::worker
