#include "quant/clipping_noise.h"

#include <array>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

const double kSqrtTwoOverPi = std::sqrt(2 / std::numbers::pi);

// Far beyond every optimum: at 40 σ the density is 0 in float64.
constexpr double kFarEnd = 40;

// Half the derivative of the Gauss error. Its own derivative, erfc(α/√2) + 1/(3·levels²), is
// positive: one root.
double gauss_slope(double alpha, double levels) {
  return alpha * (std::erfc(alpha / std::numbers::sqrt2) + 1 / (3 * levels * levels)) -
         kSqrtTwoOverPi * std::exp(-alpha * alpha / 2);
}

double solve_gauss(double levels) {
  const boost::math::tools::eps_tolerance<double> precise(std::numeric_limits<double>::digits - 3);
  boost::uintmax_t steps = 200;
  const auto [low, high] = boost::math::tools::toms748_solve(
      [levels](double alpha) { return gauss_slope(alpha, levels); }, 0.0, kFarEnd, precise, steps);
  return low + (high - low) / 2;
}

struct Published {
  double two_sided, one_sided;
};
constexpr int kMostPublishedBits = 8;
constexpr std::array<Published, kMostPublishedBits + 1> kLaplace = {{{1.05, 1.86},
                                                                     {1.86, 2.83},
                                                                     {2.83, 3.89},
                                                                     {3.89, 5.02},
                                                                     {5.03, 6.20},
                                                                     {6.20, 7.41},
                                                                     {7.41, 8.64},
                                                                     {8.64, 9.89},
                                                                     {9.89, 11.16}}};
constexpr std::array<Published, kMostPublishedBits> kGaussFromOneBit = {{{1.24, 1.71},
                                                                         {1.71, 2.15},
                                                                         {2.15, 2.55},
                                                                         {2.55, 2.93},
                                                                         {2.93, 3.28},
                                                                         {3.28, 3.61},
                                                                         {3.61, 3.92},
                                                                         {3.92, 4.20}}};

// ∫ p, ∫ x·p and ∫ x²·p from −∞ (or 0, which cancels out) to x.
struct Moments {
  double zeroth, first, second;

  Moments operator-(const Moments& other) const {
    return {zeroth - other.zeroth, first - other.first, second - other.second};
  }
};

Moments laplace_moments(double x) {
  if (std::isinf(x)) return x < 0 ? Moments{0, 0, 0} : Moments{1, 0, 2};
  const double tail = std::exp(-std::abs(x)) / 2;
  if (x < 0) return {tail, (x - 1) * tail, (x * x - 2 * x + 2) * tail};
  return {1 - tail, -(x + 1) * tail, 2 - (x * x + 2 * x + 2) * tail};
}

Moments gauss_moments(double x) {
  if (std::isinf(x)) return x < 0 ? Moments{0, 0, 0} : Moments{1, 0, 1};
  const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
  const double below = std::erfc(-x / std::numbers::sqrt2) / 2;
  return {below, -density, below - x * density};
}

}  // namespace

double clipping_mse(Prior prior, double alpha, double levels) {
  BITSWEEP_CHECK(alpha >= 0 && levels > 0, "alpha {}, {} levels", alpha, levels);
  const double rounding = alpha * alpha / (3 * levels * levels);
  if (prior == Prior::laplace) return 2 * std::exp(-alpha) + rounding;
  return (1 + alpha * alpha) * std::erfc(alpha / std::numbers::sqrt2) -
         kSqrtTwoOverPi * alpha * std::exp(-alpha * alpha / 2) + rounding;
}

double optimal_clipping(Prior prior, double levels) {
  BITSWEEP_CHECK(levels > 0 && std::isfinite(levels), "{} levels", levels);
  return prior == Prior::laplace ? boost::math::lambert_w0(3 * levels * levels)
                                 : solve_gauss(levels);
}

double one_sided_clipping_mse(Prior prior, double alpha, double levels) {
  return clipping_mse(prior, alpha, 2 * levels) / 2;
}

double one_sided_optimal_clipping(Prior prior, double levels) {
  return optimal_clipping(prior, 2 * levels);
}

std::optional<double> published_clipping(Prior prior, int bits, bool one_sided) {
  const int first = prior == Prior::laplace ? 0 : 1;
  if (bits < first || bits > kMostPublishedBits) return std::nullopt;
  const auto row = static_cast<std::size_t>(bits - first);
  const Published& constants = prior == Prior::laplace ? kLaplace[row] : kGaussFromOneBit[row];
  return one_sided ? constants.one_sided : constants.two_sided;
}

double grid_mse(Prior prior, const kernels::AffineGrid& grid) {
  BITSWEEP_CHECK(grid.scale > 0, "scale {}", grid.scale);
  const auto moments = prior == Prior::laplace ? laplace_moments : gauss_moments;
  const auto value = [&](std::int32_t code) {
    return (code - static_cast<double>(grid.zero_point)) * grid.scale + grid.origin;
  };
  double sum = 0;
  Moments below = moments(-std::numeric_limits<double>::infinity());
  for (std::int32_t code = grid.qmin; code <= grid.qmax; ++code) {
    const double y = value(code);
    const double end =
        code == grid.qmax ? std::numeric_limits<double>::infinity() : (y + value(code + 1)) / 2;
    const Moments upto = moments(end);
    const Moments cell = upto - below;
    sum += cell.second - 2 * y * cell.first + y * y * cell.zeroth;
    below = upto;
  }
  return sum;
}

}  // namespace bitsweep::quant
