// Recomputes the examples of docs/numerics.md, "Fixed point and integer inference".
#include "numerics_page.h"

#include <catch2/catch_test_macros.hpp>

#include "kernels/fixed_point_math.h"

using namespace bitsweep;
using testing::examples;
using testing::number;

namespace {

std::int32_t whole(const std::string& text) { return static_cast<std::int32_t>(number(text)); }

}  // namespace

TEST_CASE("every fixed-point number on the numerics page comes out as written") {
  const auto all = examples("fixed bits");
  CHECK(all.size() >= 8);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const bool by_value = row.at("saturates") == "value";
    CHECK((by_value || row.at("saturates") == "integer part"));
    const std::int32_t steps = kernels::fixed_of(
        std::stod(row.at("v")), {whole(row.at("fixed bits")), whole(row.at("integer bits"))},
        by_value ? kernels::FixedSaturation::value : kernels::FixedSaturation::integer_part);
    CHECK(steps == whole(row.at("steps")));
  }
}

TEST_CASE("every requantization on the numerics page comes out as written") {
  const auto all = examples("acc");
  CHECK(all.size() >= 6);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const bool truncates = row.at("rounding") == "truncate";
    CHECK((truncates || row.at("rounding") == "nearest"));
    const kernels::Requantizer q{
        whole(row.at("F")),
        truncates ? kernels::FixedRounding::truncate : kernels::FixedRounding::nearest,
        whole(row.at("low")), whole(row.at("high"))};
    const std::int64_t sum =
        std::int64_t{whole(row.at("acc"))} * whole(row.at("G")) + whole(row.at("H"));
    CHECK(kernels::requantized(sum, q) == whole(row.at("y")));
  }
}
