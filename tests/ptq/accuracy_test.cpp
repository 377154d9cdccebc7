#include "ptq/accuracy.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "ptq/statistics.h"

using namespace bitsweep::ptq;
using Logits = std::vector<float>;

TEST_CASE("among equal logits the lower class comes first") {
  const Logits logits = {1, 3, 3, 2, 3};
  CHECK(rank_of(logits, 1) == 0);
  CHECK(rank_of(logits, 2) == 1);
  CHECK(rank_of(logits, 4) == 2);
  CHECK(rank_of(logits, 3) == 3);
  CHECK(rank_of(logits, 0) == 4);
}

TEST_CASE("top-1 and top-5 count ranks 0 and 0 to 4") {
  Accuracy accuracy(3);
  const Logits falling = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  accuracy.add(0, falling, 0);
  accuracy.add(1, falling, 4);
  accuracy.add(2, falling, 5);
  CHECK(accuracy.correct_top1() == 1);
  CHECK(accuracy.correct_top5() == 2);
  CHECK(accuracy.top1() == 1.0 / 3);
  CHECK(accuracy.top5() == 2.0 / 3);
}

TEST_CASE("the bitmap has image 0 in the most significant bit, whatever the order of adding") {
  Accuracy accuracy(10);
  for (const int position : {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}) {
    accuracy.add(position, Logits{0, 1}, position == 0 || position == 6 || position == 9 ? 1 : 0);
  }
  CHECK(accuracy.bitmap() == std::vector<std::byte>{std::byte{0b10000010}, std::byte{0b01000000}});
}

TEST_CASE("the batch mean gives a short last batch the weight of a full one") {
  Accuracy accuracy(5);
  for (const int position : {0, 1, 2, 3, 4}) {
    accuracy.add(position, Logits{0, 1}, position == 0 || position == 4 ? 1 : 0);
  }
  CHECK(accuracy.top1() == 2.0 / 5);
  CHECK(accuracy.top1_batch_mean(2) == (0.5 + 0 + 1) / 3);
  CHECK(accuracy.top1_batch_mean(5) == 2.0 / 5);
  CHECK(accuracy.top1_batch_mean(100) == 2.0 / 5);
}

TEST_CASE("the loss is the mean cross entropy and does not overflow") {
  Accuracy accuracy(2);
  accuracy.add(0, Logits{0, 0}, 1);
  accuracy.add(1, Logits{-1e30F, 1e30F}, 1);
  CHECK(accuracy.loss() == Catch::Approx(std::log(2.0) / 2));
}

TEST_CASE("a logit that is not finite diverges") {
  Accuracy accuracy(1);
  CHECK_THROWS_AS(accuracy.add(0, Logits{0, std::numeric_limits<float>::quiet_NaN()}, 0), Diverged);
}
