#include "ptq/tensor_distance.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

namespace bitsweep::ptq {
namespace {

using Catch::Approx;

TEST_CASE("distances of a worked example") {
  const std::vector<float> reference{3, 4, 0, 0};
  const std::vector<float> other{3, 4, 1, -1};
  const TensorDistance d = distance(reference, other);
  CHECK(d.elements == 4);
  CHECK(d.mse == 0.5);
  CHECK(d.max_abs == 1);
  CHECK(d.sqnr_db == Approx(10 * std::log10(25.0 / 2.0)));
  CHECK(d.cosine == Approx(25.0 / (5.0 * std::sqrt(27.0))));
  CHECK_FALSE(d.equal);
}

TEST_CASE("equal tensors have no distance, and zero against zero is the same direction") {
  const std::vector<float> x{1, -2, 0.5F};
  const TensorDistance d = distance(x, x);
  CHECK(d.mse == 0);
  CHECK(std::isinf(d.sqnr_db));
  CHECK(d.equal);
  const std::vector<float> zero(3);
  CHECK(distance(zero, zero).cosine == 1);
  CHECK(distance(zero, x).cosine == 0);
}

TEST_CASE("minus zero is another bit pattern, and no distance") {
  const std::vector<float> plus{0.0F}, minus{-0.0F};
  CHECK_FALSE(distance(plus, minus).equal);
  CHECK(distance(plus, minus).max_abs == 0);
}

}  // namespace
}  // namespace bitsweep::ptq
