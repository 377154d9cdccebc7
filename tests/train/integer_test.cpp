// A trained network in whole numbers, beside its fake-quantized self (train/integer_evaluation.h).
#include <catch2/catch_test_macros.hpp>

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
                 {"quant.integer.integer_bits", config::Value(std::int64_t{12})}});
  const IntegerEvaluation& integers = *outcome.integer;
  CHECK(integers.predictions.images() == outcome.accuracy.images());
  CHECK(integers.predictions.float_correct() == outcome.accuracy.correct_top1());
  CHECK(integers.slow_steps.empty());
  REQUIRE(integers.tensors.size() >= 20);
  for (const integer::TensorDifference& tensor : integers.tensors) {
    CAPTURE(tensor.name, tensor.largest, tensor.differing, tensor.elements);
    // A difference of one code may grow a little on its way, on few elements. Carriers of what has
    // no quantizer have finer steps, and are not bounded here.
    if (tensor.name.ends_with(".relu1")) CHECK(tensor.largest <= 4);
  }
}

TEST_CASE("a training in whole numbers ends in the same state as one without") {
  const Outcome with = evaluated({});
  const Outcome without = run_trial(quantized()).outcome;
  CHECK(with.state_sha256 == without.state_sha256);
  CHECK(with.accuracy.bitmap() == without.accuracy.bitmap());
}

}  // namespace
}  // namespace bitsweep::train
