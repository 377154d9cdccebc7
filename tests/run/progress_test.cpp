#include "run/progress.h"

#include <catch2/catch_test_macros.hpp>

using bitsweep::run::estimate_remaining_s;
using bitsweep::run::Progress;
using bitsweep::run::ProgressState;

TEST_CASE("the live line never exceeds the terminal", "[run]") {
  ProgressState state{40, 10, 2, 0.5, "evaluate 4,000/10,000 images of a very long trial name"};
  for (const int columns : {10, 40, 80, 200}) {
    CHECK(static_cast<int>(Progress::render(state, 60, columns).size()) < columns);
  }
}

TEST_CASE("the live line tells counts, rate and time left", "[run]") {
  const ProgressState state{20, 9, 1, 0, ""};
  const std::string text = Progress::render(state, 60, 80);
  CHECK(text == "[##########..........] 10/20  1 failed  10.0/min  ETA 1m00s");
}

TEST_CASE("no time is promised before anything is done", "[run]") {
  CHECK(estimate_remaining_s(0, 10, 5) < 0);
  CHECK(estimate_remaining_s(5, 10, 5) == 5.0);
}
