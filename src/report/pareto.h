// The Pareto front of cost against accuracy.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace bitsweep::report {

struct CostPoint {
  double cost = 0;
  double accuracy = 0;
};

// Positions of the points that no other beats (cheaper or equal and better or equal, one of them
// strictly), by rising cost; of equal points the first. Accuracy rises strictly along the result.
std::vector<std::size_t> pareto_front(std::span<const CostPoint> points);

}  // namespace bitsweep::report
