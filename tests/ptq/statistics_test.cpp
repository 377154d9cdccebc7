#include "ptq/statistics.h"

#include <ATen/ops/tensor.h>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <limits>

using namespace bitsweep::ptq;
using Catch::Approx;

namespace {

at::Tensor tensor(std::vector<float> values, std::vector<std::int64_t> shape) {
  return at::tensor(values).view(shape);
}

}  // namespace

TEST_CASE("extremes are taken by channel, by sample and over all") {
  // Two samples, two channels, one row of two.
  const TensorStatistics s =
      statistics(tensor({1, 2, -3, 4, 5, 0, 7, 8}, {2, 2, 1, 2}), Detail::extremes, "x");
  CHECK(s.tensor.min == -3);
  CHECK(s.tensor.max == 8);
  CHECK(s.channels[0].min == 0);
  CHECK(s.channels[0].max == 5);
  CHECK(s.channels[1].min == -3);
  CHECK(s.channels[1].max == 8);
  CHECK(s.sample_min == (-3 + 0) / 2.0);
  CHECK(s.sample_max == (4 + 8) / 2.0);
}

TEST_CASE("moments are the mean, the unbiased deviation and the mean absolute deviation") {
  const TensorStatistics s =
      statistics(tensor({1, 2, 3, 10, 5, 6, 7, 10}, {2, 2, 2, 1}), Detail::moments, "x");
  CHECK(s.channels[0].mean == Approx(3.5));  // 1 2 5 6
  CHECK(s.channels[0].std == Approx(std::sqrt(17.0 / 3)));
  CHECK(s.channels[0].b == Approx(2.0));
  CHECK(s.tensor.mean == Approx(5.5));
  CHECK(s.tensor.b == Approx((4.5 + 3.5 + 2.5 + 4.5 + 0.5 + 0.5 + 1.5 + 4.5) / 8));
}

TEST_CASE("moments of channels or of the tensor alone are those among all moments") {
  const at::Tensor x = tensor({1, 2, 3, 10, 5, 6, 7, 10}, {2, 2, 2, 1});
  const TensorStatistics all = statistics(x, Detail::moments, "x");
  const TensorStatistics channels = statistics(x, Detail::channel_moments, "x");
  const TensorStatistics whole = statistics(x, Detail::tensor_moments, "x");
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(channels.channels[c].b == all.channels[c].b);
    CHECK(channels.channels[c].std == all.channels[c].std);
    CHECK(whole.channels[c].b == 0);
  }
  CHECK(channels.tensor.b == 0);
  CHECK(whole.tensor.b == all.tensor.b);
  CHECK(whole.tensor.std == all.tensor.std);
}

TEST_CASE("over batches: the mean of every field, or the widest extremes") {
  std::vector<TensorStatistics> batches = {
      statistics(tensor({1, 3}, {1, 1, 1, 2}), Detail::moments, "x"),
      statistics(tensor({-5, 1}, {1, 1, 1, 2}), Detail::moments, "x")};
  const TensorStatistics mean = mean_over(batches);
  CHECK(mean.tensor.min == -2);
  CHECK(mean.tensor.max == 2);
  CHECK(mean.tensor.mean == 0);
  CHECK(mean.tensor.b == 2);
  CHECK(mean.channels[0].max == 2);
  CHECK(mean.sample_min == -2);
  const TensorStatistics extreme = extreme_over(batches);
  CHECK(extreme.tensor.min == -5);
  CHECK(extreme.tensor.max == 3);
  CHECK(extreme.channels[0].min == -5);
  CHECK(extreme.tensor.mean == 0);
}

TEST_CASE("a tensor that is not finite diverges, by name") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, inf, -inf}) {
    CHECK_THROWS_AS(statistics(tensor({1, bad}, {1, 1, 1, 2}), Detail::extremes, "conv3"),
                    Diverged);
    CHECK_THROWS_WITH(statistics(tensor({1, bad}, {1, 1, 1, 2}), Detail::extremes, "conv3"),
                      Catch::Matchers::ContainsSubstring("'conv3'"));
  }
}
