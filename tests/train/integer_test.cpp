// A trained network in whole numbers, beside its fake-quantized self (train/integer_evaluation.h).
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string_view>

#include "small_trial.h"

namespace bitsweep::train {
namespace {

using testing::Keys;
using testing::quantized;
using testing::run_trial;

Outcome evaluated(Keys keys) {
  keys.emplace_back("quant.integer.execute", config::Value(true));
  return run_trial(quantized(keys)).outcome;
}

TEST_CASE("a training says what its network does in whole numbers only where it is asked") {
  CHECK(!run_trial(quantized()).outcome.integer.has_value());
  CHECK(evaluated({}).integer.has_value());
}

TEST_CASE("with wide multipliers and rounding, codes are at most a few steps off the simulation") {
  const Outcome outcome =
      evaluated({{"quant.integer.rounding", config::Value(std::string("nearest"))},
                 {"quant.integer.integer_bits", config::Value(std::int64_t{12})},
                 {"model.weights", "experiments/weights/resnet20_b.safetensors"},
                 {"train.epochs", config::Value(std::int64_t{0})},
                 {"train.norm_batches", config::Value(std::int64_t{4})}});
  const IntegerEvaluation& integers = *outcome.integer;
  CHECK(integers.predictions.images() == outcome.accuracy.images());
  CHECK(integers.predictions.float_correct() == outcome.accuracy.correct_top1());
  CHECK(integers.slow_steps.empty());
  REQUIRE(integers.tensors.size() >= 20);
  const auto largest = [&](std::string_view name) {
    const auto found = std::ranges::find(integers.tensors, name, &integer::TensorDifference::name);
    REQUIRE(found != integers.tensors.end());
    return found->largest;
  };
  // A difference of one code is a rounding at the border of two; it grows on its way.
  CHECK(largest("features.stage1.unit1.relu1") <= 1);
  CHECK(largest("features.stage1.unit2.relu1") <= 2);
  CHECK(largest("features.stage3.unit3.relu1") <= 8);
}

TEST_CASE("a training in whole numbers ends in the same state as one without") {
  const Outcome with = evaluated({});
  const Outcome without = run_trial(quantized()).outcome;
  CHECK(with.state_sha256 == without.state_sha256);
  CHECK(with.accuracy.bitmap() == without.accuracy.bitmap());
}

}  // namespace
}  // namespace bitsweep::train
