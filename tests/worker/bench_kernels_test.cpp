#include "worker/bench_kernels.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

using namespace bitsweep::worker;

TEST_CASE("the kernel bench measures every row against its peer and a copy", "[worker][bench]") {
  // Small: that the numbers are good is what `bitsweep bench` shows, not a test on a busy machine.
  const int threads = GENERATE(1, 2, 3);
  const auto rows = bench_kernels({.elements = 64 * 33, .repeats = 3, .threads = threads});
  REQUIRE(rows.size() >= 4);
  for (const auto& row : rows) {
    CAPTURE(row.dump());
    for (const char* number : {"ours", "peer_value", "ratio", "copy_ns_per_element", "copy_ratio"})
      CHECK(row.at(number).get<double>() > 0.0);
    CHECK(row.at("threads") == threads);
    CHECK_FALSE(row.at("peer").get<std::string>().empty());
  }
}
