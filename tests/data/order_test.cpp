#include "data/order.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

using namespace bitsweep::data;

TEST_CASE("a drawn order is a permutation that seed and stream decide") {
  for (const std::int64_t n : {1, 2, 3, 10, 1000}) {
    std::vector<std::int64_t> order = drawn_order(n, 7, OrderStream::calibration);
    CHECK(order == drawn_order(n, 7, OrderStream::calibration));
    if (n >= 10) {
      CHECK(order != file_order(n));
      CHECK(order != drawn_order(n, 8, OrderStream::calibration));
      CHECK(order != drawn_order(n, 7, OrderStream::evaluation));
    }
    std::sort(order.begin(), order.end());
    CHECK(order == file_order(n));
  }
}

TEST_CASE("every epoch has an order of its own, whichever was drawn before") {
  const auto third = epoch_order(1000, 5, 3);
  CHECK(epoch_order(1000, 5, 4) != third);
  CHECK(epoch_order(1000, 6, 3) != third);
  CHECK(epoch_order(1000, 5, 3) == third);
  CHECK(third == drawn_order(1000, 5, OrderStream::training, 3));
}

TEST_CASE("the head of a drawn order prefers no end of the file") {
  const std::vector<std::int64_t> order = drawn_order(10000, 1, OrderStream::calibration);
  const auto low =
      std::count_if(order.begin(), order.begin() + 1000, [](std::int64_t i) { return i < 5000; });
  CHECK(low > 420);  // 500 expected, standard deviation 15
  CHECK(low < 580);
}
