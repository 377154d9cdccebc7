// Noise of a measured number: intervals, exact paired tests, and how much more measuring would
// decide. Accuracies are fractions. Every interval is two-sided with confidence kConfidence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bitsweep::report {

inline constexpr double kConfidence = 0.95;

struct Interval {
  double lower = 0;
  double upper = 0;
};

struct Proportion {
  std::int64_t successes = 0;
  std::int64_t trials = 0;  // at least 1
  double value() const { return static_cast<double>(successes) / static_cast<double>(trials); }
};

struct Sample {
  std::int64_t n = 0;
  double mean = 0;
  double sd = 0;  // unbiased (n − 1); 0 where n is 1
};

// Means and squares in a fixed order, so that the same rows give the same bits. values: not empty.
Sample summarize(std::span<const double> values);

// Student's t interval of the mean: mean ± t(n − 1) · sd / √n. sample.n ≥ 2.
Interval t_interval(const Sample& sample);

// Clopper & Pearson 1934, exact: never covers less than it says, so a verdict may lean on it.
Interval clopper_pearson(const Proportion& proportion);

// McNemar's test of two classifiers on the same images, exact (binomial with p = 1/2 over the
// images on which just one of the two is right), two-sided.
struct McNemar {
  std::int64_t images = 0;
  std::int64_t only_first = 0;  // right with the first, wrong with the second
  std::int64_t only_second = 0;
  double p_exact = 1;
  double p_mid =
      1;  // mid-p (Lancaster 1961): half the weight on the outcome seen; less conservative
};

// Bitmaps: image i is bit i of numpy.packbits order (most significant first), at least
// ⌈images / 8⌉ bytes each; bits behind the last image are ignored.
McNemar mcnemar(std::span<const std::byte> first, std::span<const std::byte> second,
                std::int64_t images);
McNemar mcnemar_from_counts(std::int64_t images, std::int64_t only_first, std::int64_t only_second);

// The fewest images (seeds) with which the half-width of the interval around the same value falls
// to `margin`; nothing where no number up to 10⁹ images (10⁶ seeds) does, in particular at margin ≤
// 0.
std::optional<std::int64_t> images_to_decide(double proportion, double margin);
std::optional<std::int64_t> seeds_to_decide(double sd, double margin);

}  // namespace bitsweep::report
