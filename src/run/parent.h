// A worker's side of dying with its supervisor.
#pragma once

namespace bitsweep::run {

// From now on the kernel kills this process when the one that started it ends, however it ends. Call
// first thing in a worker's main. A parent that is gone already shows as end of file on the jobs.
void die_with_parent();

}  // namespace bitsweep::run
