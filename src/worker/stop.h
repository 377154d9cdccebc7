// Being asked to stop: SIGTERM and SIGINT end a worker at once, except in the middle of a training,
// which then writes a checkpoint first.
#pragma once

#include <signal.h>

namespace bitsweep::worker {

// While it lives the two signals are noted instead of ending the process. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

// The signal that arrived while a StopSignals lived, or 0. Noted for the rest of the process, which
// takes no further job.
int stop_signal();

}  // namespace bitsweep::worker
