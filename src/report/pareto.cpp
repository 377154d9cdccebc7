#include "report/pareto.h"

#include <algorithm>
#include <numeric>

namespace bitsweep::report {

std::vector<std::size_t> pareto_front(std::span<const CostPoint> points) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (points[a].cost != points[b].cost) return points[a].cost < points[b].cost;
    return points[a].accuracy > points[b].accuracy;
  });
  std::vector<std::size_t> front;
  for (const std::size_t i : order) {
    if (front.empty() || points[i].accuracy > points[front.back()].accuracy) front.push_back(i);
  }
  return front;
}

}  // namespace bitsweep::report
