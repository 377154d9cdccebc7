#include "quant/histogram_observer.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "samples.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;

TEST_CASE("an observer keeps every value while its range grows") {
  HistogramObserver observer(64, 256);
  observer.observe(testing::normal(500, 0, 1, 1));
  observer.observe(testing::normal(500, 3, 4, 2));
  observer.observe(testing::normal(500, 0, 0.1F, 3));
  const auto counts = observer.histogram();
  CHECK(std::accumulate(counts.begin(), counts.end(), 0.0) == Approx(1500));
}

TEST_CASE("an observer gives up far values for smaller steps, within the extremes") {
  std::vector<float> x = testing::normal(20000, 0, 1, 4);
  x[0] = 40;
  HistogramObserver observer(512, 16);
  observer.observe(x);
  const kernels::MinMax range = observer.best_range();
  CHECK(observer.extremes().max == 40);
  CHECK(range.max < 20);
  CHECK(range.min >= observer.extremes().min);
  CHECK(range.max > 2);
}

TEST_CASE("an observer of a constant keeps it, and of what is not finite refuses it") {
  HistogramObserver observer(16, 256);
  observer.observe(std::vector<float>(10, 2.5F));
  CHECK(observer.best_range().min == 2.5F);
  CHECK(observer.best_range().max == 2.5F);
  CHECK_THROWS_AS(observer.observe(std::vector<float>{1, NAN}), DataError);
  CHECK_THROWS_AS(observer.observe(std::vector<float>{1, INFINITY}), DataError);
}
