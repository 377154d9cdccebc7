#include "report/statistics.h"

#include <algorithm>
#include <bit>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "core/check.h"

namespace bitsweep::report {
namespace {

constexpr double kTail = (1 - kConfidence) / 2;

double t_half_width(double sd, std::int64_t n) {
  const boost::math::students_t distribution(static_cast<double>(n - 1));
  return boost::math::quantile(boost::math::complement(distribution, kTail)) * sd /
         std::sqrt(static_cast<double>(n));
}

// Ends of the Clopper–Pearson interval. Takes real counts, too, so that "the same share of more
// images" is smooth in the number of images.
Interval beta_interval(double successes, double failures) {
  Interval interval{0, 1};
  if (successes > 0) {
    interval.lower =
        boost::math::quantile(boost::math::beta_distribution<>(successes, failures + 1), kTail);
  }
  if (failures > 0) {
    interval.upper = boost::math::quantile(
        boost::math::complement(boost::math::beta_distribution<>(successes + 1, failures), kTail));
  }
  return interval;
}

// On the wider side: the interval is not symmetric.
double binomial_half_width(double proportion, std::int64_t n) {
  const auto images = static_cast<double>(n);
  const Interval interval = beta_interval(proportion * images, (1 - proportion) * images);
  return std::max(interval.upper - proportion, proportion - interval.lower);
}

// Smallest n in [first, last] with enough(n); enough is false, then true.
template <typename Predicate>
std::optional<std::int64_t> smallest(std::int64_t first, std::int64_t last, Predicate enough) {
  if (!enough(last)) return std::nullopt;
  while (first < last) {
    const std::int64_t middle = first + (last - first) / 2;
    if (enough(middle)) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  return first;
}

}  // namespace

Sample summarize(std::span<const double> values) {
  BITSWEEP_CHECK(!values.empty(), "a sample of nothing");
  Sample sample;
  sample.n = static_cast<std::int64_t>(values.size());
  for (const double value : values) sample.mean += value;
  sample.mean /= static_cast<double>(sample.n);
  // Equal values have no spread, whatever the mean was rounded to.
  const bool constant = std::all_of(values.begin(), values.end(),
                                    [&](double value) { return value == values.front(); });
  if (constant) {
    sample.mean = values.front();
    return sample;
  }
  double squares = 0;
  for (const double value : values) squares += (value - sample.mean) * (value - sample.mean);
  sample.sd = std::sqrt(squares / static_cast<double>(sample.n - 1));
  return sample;
}

Interval t_interval(const Sample& sample) {
  BITSWEEP_CHECK(sample.n >= 2, "a t interval of {} value", sample.n);
  const double half = t_half_width(sample.sd, sample.n);
  return {sample.mean - half, sample.mean + half};
}

Interval clopper_pearson(const Proportion& proportion) {
  const auto [k, n] = proportion;
  BITSWEEP_CHECK(n >= 1 && k >= 0 && k <= n, "{} of {}", k, n);
  return beta_interval(static_cast<double>(k), static_cast<double>(n - k));
}

McNemar mcnemar_from_counts(std::int64_t images, std::int64_t only_first,
                            std::int64_t only_second) {
  McNemar test{images, only_first, only_second, 1, 1};
  const std::int64_t discordant = only_first + only_second;
  if (discordant == 0) return test;
  const boost::math::binomial_distribution<> even(static_cast<double>(discordant), 0.5);
  const auto fewer = static_cast<double>(std::min(only_first, only_second));
  const double both_tails = 2 * boost::math::cdf(even, fewer);
  test.p_exact = std::min(1.0, both_tails);
  test.p_mid = std::min(1.0, both_tails - boost::math::pdf(even, fewer));
  return test;
}

McNemar mcnemar(std::span<const std::byte> first, std::span<const std::byte> second,
                std::int64_t images) {
  const auto bytes = static_cast<std::size_t>((images + 7) / 8);
  BITSWEEP_CHECK(images >= 0 && first.size() >= bytes && second.size() >= bytes,
                 "bitmaps of {} and {} bytes for {} images", first.size(), second.size(), images);
  std::int64_t only_first = 0;
  std::int64_t only_second = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    auto a = std::to_integer<unsigned>(first[i]);
    auto b = std::to_integer<unsigned>(second[i]);
    if (i + 1 == bytes && images % 8 != 0) {
      const unsigned used = 0xFFu & (0xFFu << (8 - images % 8));
      a &= used;
      b &= used;
    }
    only_first += std::popcount(a & ~b);
    only_second += std::popcount(b & ~a);
  }
  return mcnemar_from_counts(images, only_first, only_second);
}

std::optional<std::int64_t> images_to_decide(double proportion, double margin) {
  if (!(margin > 0)) return std::nullopt;
  return smallest(1, 1'000'000'000,
                  [&](std::int64_t n) { return binomial_half_width(proportion, n) <= margin; });
}

std::optional<std::int64_t> seeds_to_decide(double sd, double margin) {
  if (!(margin > 0)) return std::nullopt;
  return smallest(2, 1'000'000, [&](std::int64_t n) { return t_half_width(sd, n) <= margin; });
}

}  // namespace bitsweep::report
