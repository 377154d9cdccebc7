#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"
#include "kernels/range_math.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

// The rules themselves are checked against docs/numerics.md (numerics_page_test.cpp) and against
// the golden files; here stands what holds for every range.

TEST_CASE("an affine grid has 2^bits codes and holds zero exactly where it lies inside the range",
          "[kernels][range]") {
  const int bits = GENERATE(range(1, 17));
  const RealRange real = GENERATE(RealRange{-1.3f, 4.0f}, RealRange{-2.0f, 2.5f},
                                  RealRange{-7.7f, 15.4f}, RealRange{-1e-6f, 3e-6f});
  for (const AffineGrid& grid : {affine_grid(real, bits), anchored_affine_grid(real, bits)}) {
    CHECK(grid.qmax - grid.qmin + 1 == 1 << bits);
    CHECK(dequantize(grid.zero_point, grid) == 0.0f);
    CHECK(grid.zero_point >= static_cast<float>(grid.qmin));
    CHECK(grid.zero_point <= static_cast<float>(grid.qmax));
  }
}

TEST_CASE("a constant tensor stays finite and keeps its value to within the step",
          "[kernels][range]") {
  const float value = GENERATE(0.0f, 1.0f, -3.25f, 1e6f, -1e-30f);
  const int bits = GENERATE(0, 1, 4, 8);
  const AffineGrid grid = affine_grid({value, 0.0f}, bits);
  const float y = fake_quantize({value}, grid, kDocument004VectorRounding).y[0];
  CHECK(std::isfinite(y));
  CHECK(std::abs(y - value) <= kScaleFloor + 1e-6f * std::abs(value));
}

TEST_CASE("a scale is a power of two, not below the one given and less than twice it",
          "[kernels][range]") {
  const float scale = GENERATE(1.0f, 0.75f, 0.5f, 3.0f, 1e-8f, 1e-30f, 1e30f, 1.0000001f);
  const float rounded = power_of_two_scale(scale);
  int exponent = 0;
  CHECK(std::frexp(rounded, &exponent) == 0.5f);
  CHECK(rounded >= scale);
  CHECK(rounded < 2.0f * scale);
}

TEST_CASE("one code stands for a constant", "[kernels][range]") {
  const auto r = fake_quantize({-9.0f, 0.0f, 0.3f}, constant_grid(0.7f));
  CHECK(r.y == std::vector<float>{0.7f, 0.7f, 0.7f});
}
