// What the benchmarks share: how long something takes, and the middle of several such times.
#pragma once

#include <functional>
#include <vector>

namespace bitsweep::worker {

double seconds(const std::function<void()>& work);

// The upper of the two in the middle for an even number. values: not empty.
double median(std::vector<double> values);

}  // namespace bitsweep::worker
