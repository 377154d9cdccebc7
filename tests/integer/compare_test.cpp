#include "integer/compare.h"

#include <catch2/catch_test_macros.hpp>

namespace bitsweep::integer {
namespace {

TEST_CASE("differences are counted in codes of the tensor's scale, over all images") {
  const Tensor tensor{.name = "y", .shape = {3, 1, 1}, .scale = 4};
  TensorDifference difference;
  add_differences(tensor, std::vector<std::int32_t>{4, -2, 0}, std::vector<float>{1, -0.5F, 0},
                  difference);
  CHECK(difference.largest == 0);
  CHECK(difference.differing == 0);
  add_differences(tensor, std::vector<std::int32_t>{5, 0, -7}, std::vector<float>{1, 0, -1},
                  difference);
  CHECK(difference.name == "y");
  CHECK(difference.largest == 3);
  CHECK(difference.differing == 2);
  CHECK(difference.elements == 6);
}

TEST_CASE("a prediction is the first maximum, and a flip need not cost an image") {
  PredictionComparison both;
  const auto add = [&](std::vector<float> integers, std::vector<float> floats, int label) {
    both.add(integers, floats, label);
  };
  add({1, 2, 0}, {1, 2, 0}, 1);  // both right
  add({2, 2, 0}, {1, 2, 0}, 1);  // the integers' tie goes to class 0
  add({0, 0, 3}, {1, 2, 0}, 2);
  add({5, 0, 3}, {1, 2, 0}, 2);  // another prediction, both wrong
  CHECK(both.images() == 4);
  CHECK(both.flips() == 3);
  CHECK(both.integer_correct() == 2);
  CHECK(both.float_correct() == 2);
  CHECK(both.only_integer() == 1);
  CHECK(both.only_float() == 1);
}

}  // namespace
}  // namespace bitsweep::integer
