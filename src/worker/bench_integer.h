// `bitsweep bench integer`: a whole network in whole numbers beside its float32 self.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bitsweep::worker {

struct IntegerBenchOptions {
  int repeats = 7;
};

// Rows as bench_ptq.h has them; here `ratio` is float32's time over that of whole numbers. ResNet20
// of document 002 with 8 bits everywhere, drawn weights, batches of 128 images; always one thread,
// which the integer executor has.
nlohmann::json bench_integer(const IntegerBenchOptions& options);

}  // namespace bitsweep::worker
