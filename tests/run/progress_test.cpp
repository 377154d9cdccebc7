#include "run/progress.h"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

using bitsweep::run::describe_progress;
using bitsweep::run::estimate_remaining_s;
using bitsweep::run::fit;
using bitsweep::run::Progress;
using bitsweep::run::ProgressState;

TEST_CASE("the live line never exceeds the terminal", "[run]") {
  ProgressState state{40,  10, 2,
                      0.5, 0,  {"evaluate 4,000/10,000 images of a very long trial name"}};
  for (const int columns : {10, 40, 80, 200}) {
    CHECK(static_cast<int>(Progress::render(state, 60, columns).size()) < columns);
  }
}

TEST_CASE("the live line tells counts, rate and time left", "[run]") {
  const ProgressState state{20, 9, 1, 0, 0, {}};
  const std::string text = Progress::render(state, 60, 80);
  CHECK(text == "[#####.....] 10/20  1 failed  10.0/min  ETA 1m00s");
}

TEST_CASE("no time is promised before anything is done", "[run]") {
  CHECK(estimate_remaining_s(0, 10, 5) < 0);
  CHECK(estimate_remaining_s(5, 10, 5) == 10.0);
}

TEST_CASE("a training is described by what people ask first, and fits 80 columns", "[run]") {
  const nlohmann::json event = {{"phase", "train"},         {"done", 1173},   {"total", 11730},
                                {"unit", "steps"},          {"epoch", 3},     {"epochs", 30},
                                {"images_per_second", 612}, {"loss", 1.2344}, {"top1", 0.453},
                                {"fraction", 0.1}};
  const auto phrases = describe_progress(event);
  CHECK(phrases == std::vector<std::string>{"epoch 3/30", "loss 1.234", "top1 45.3 %",
                                            "612 images/s", "step 1,173/11,730"});
  const ProgressState state{2, 0, 0, 0.1, 0, phrases};
  CHECK(Progress::render(state, 300, 80) ==
        "[..........] 0/2  ETA 1h35m  epoch 3/30  loss 1.234  top1 45.3 %  612 images/s");
}

TEST_CASE("an evaluation within a training says which epoch's it is", "[run]") {
  const nlohmann::json event = {{"phase", "evaluate"}, {"done", 500}, {"total", 10000},
                                {"unit", "images"},    {"epoch", 3},  {"epochs", 30}};
  CHECK(describe_progress(event) ==
        std::vector<std::string>{"epoch 3/30", "evaluate 500/10,000 images"});
}

TEST_CASE("what an earlier run had done does not speed up the time left", "[run]") {
  ProgressState state{1, 0, 0, 0.6, 0.5, {}};
  CHECK(Progress::render(state, 60, 80) == "[######....] 0/1  ETA 4m00s");
}

TEST_CASE("phrases that do not fit are left out whole, the first one never", "[run]") {
  CHECK(fit({"abc", "de", "f"}, 7) == "abc  de");
  CHECK(fit({"abc", "de"}, 2) == "abc");
  CHECK(fit({}, 10).empty());
}
