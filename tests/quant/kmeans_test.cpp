#include "quant/kmeans.h"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "samples.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;

namespace {

double squared_error(const std::vector<float>& x, const std::vector<float>& centroids) {
  std::vector<std::int32_t> codes(x.size());
  nearest_centroids(x, centroids, codes);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += std::pow(x[i] - centroids[static_cast<std::size_t>(codes[i])], 2);
  }
  return sum / static_cast<double>(x.size());
}

}  // namespace

TEST_CASE("clusters that stand apart are found, each centroid the mean of its own") {
  const std::vector<float> x{-5, -5.5F, -4.5F, 0, 0.25F, -0.25F, 3, 3, 9, 10};
  const std::vector<float> centroids = kmeans_centroids(x, 2);
  CHECK(centroids == std::vector<float>{-5, 0, 3, 9.5F});
}

TEST_CASE("few or equal values are their own centroids") {
  CHECK(kmeans_centroids(std::vector<float>{2, 1, 2}, 4) == std::vector<float>{1, 2});
  CHECK(kmeans_centroids(std::vector<float>(50, 0.0F), 4) == std::vector<float>{0});
}

TEST_CASE("a value half way between two centroids goes to the lower one") {
  const std::vector<float> centroids{-1, 1, 4};
  const std::vector<float> x{0, 2.5F, 2.6F, -9, 9, 1};
  std::vector<std::int32_t> codes(x.size());
  nearest_centroids(x, centroids, codes);
  CHECK(codes == std::vector<std::int32_t>{0, 1, 2, 0, 2, 1});
}

TEST_CASE("centroids beat the even grid of as many codes, and moving one makes it worse") {
  const std::vector<float> x = testing::laplace(4000, 0, 1, 2);
  for (const int bits : {2, 4}) {
    CAPTURE(bits);
    const std::vector<float> centroids = kmeans_centroids(x, bits);
    CHECK(centroids.size() == std::size_t{1} << bits);
    CHECK(std::ranges::is_sorted(centroids));
    const double error = squared_error(x, centroids);
    const auto [low, high] = std::ranges::minmax(x);
    const kernels::AffineGrid grid = kernels::affine_grid({low, high - low}, bits);
    CHECK(error < testing::squared_error(x, grid, false));
    for (const float shift : {-0.05F, 0.05F}) {
      std::vector<float> moved = centroids;
      moved[1] += shift;
      CHECK(squared_error(x, moved) > error);
    }
  }
}

TEST_CASE("clustering depends on the values alone, not on their order") {
  std::vector<float> x = testing::normal(1000, 0, 1, 8);
  const std::vector<float> before = kmeans_centroids(x, 3);
  std::ranges::reverse(x);
  CHECK(kmeans_centroids(x, 3) == before);
}
