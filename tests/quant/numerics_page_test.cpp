// Recomputes the examples of docs/numerics.md that document 004's refinements give.
#include "numerics_page.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "quant/bias_correction.h"
#include "quant/bit_allocation.h"
#include "quant/clipping.h"
#include "quant/code_counts.h"
#include "quant/huffman.h"
#include "quant/kl_threshold.h"
#include "quant/kmeans.h"
#include "quant/mid_tread.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using testing::examples;
using testing::number;
using testing::numbers;

namespace {

// Half of the sixth decimal.
constexpr double kWritten = 0.6e-6;

Prior prior(const std::string& word) {
  REQUIRE((word == "laplace" || word == "gauss"));
  return word == "laplace" ? Prior::laplace : Prior::gauss;
}

}  // namespace

TEST_CASE("every optimum of clipping on the numerics page comes out as written") {
  const auto all = examples("prior");
  CHECK(all.size() >= 6);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const Prior of = prior(row.at("prior"));
    const double levels = number(row.at("levels"));
    const bool one_sided = row.at("sides") == "one";
    CHECK((one_sided || row.at("sides") == "two"));
    const double alpha =
        one_sided ? one_sided_optimal_clipping(of, levels) : optimal_clipping(of, levels);
    const double mse =
        one_sided ? one_sided_clipping_mse(of, alpha, levels) : clipping_mse(of, alpha, levels);
    CHECK(alpha == Approx(number(row.at("alpha"))).margin(kWritten));
    CHECK(mse == Approx(number(row.at("error"))).margin(kWritten));
    if (row.at("published").empty()) continue;
    const int bits = static_cast<int>(std::log2(levels));
    CHECK(*published_clipping(of, bits, one_sided) ==
          Approx(number(row.at("published"))).margin(kWritten));
  }
}

TEST_CASE("every clipped range on the numerics page comes out as written") {
  const auto all = examples("clipping");
  CHECK(all.size() >= 5);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const ChosenClipping chosen = clipping_named(row.at("clipping"));
    const Statistics statistics{.min = number(row.at("min")),
                                .max = number(row.at("max")),
                                .mean = number(row.at("mean")),
                                .std = number(row.at("std")),
                                .b = number(row.at("b"))};
    const kernels::RealRange range =
        chosen.rule->range(statistics, {.bits = std::stoi(row.at("bits")),
                                        .half_range = row.at("ReLU") == "yes",
                                        .constants = row.at("constants") == "exact"
                                                         ? config::ClippingConstants::exact
                                                         : config::ClippingConstants::two_decimals,
                                        .parameter = chosen.parameter});
    CHECK(range.lower == Approx(number(row.at("lower"))).margin(kWritten));
    CHECK(range.length == Approx(number(row.at("length"))).margin(2e-6));  // float32 above 8
  }
}

TEST_CASE("every bit allocation on the numerics page comes out as written") {
  const auto all = examples("allocation");
  CHECK(all.size() >= 6);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const std::vector<float> written = numbers(row.at("spread"));
    const std::vector<double> spread(written.begin(), written.end());
    const std::vector<int> bits =
        allocate_bits(row.at("allocation"), spread, number(row.at("average")));
    const std::vector<float> widths = numbers(row.at("widths"));
    CHECK(std::vector<float>(bits.begin(), bits.end()) == widths);
    CHECK(mean_width(bits) == Approx(number(row.at("mean width"))));
  }
}

TEST_CASE("every bias correction on the numerics page comes out as written") {
  const auto all = examples("correction");
  CHECK(all.size() >= 4);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const std::vector<float> weight = numbers(row.at("w"));
    std::vector<float> quantized = numbers(row.at("w_q"));
    const auto corrections = weight_corrections(row.at("correction"), weight, quantized, 1);
    CHECK(corrections[0].scale == Approx(number(row.at("scale"))).margin(kWritten));
    CHECK(corrections[0].shift == Approx(number(row.at("shift"))).margin(kWritten));
    apply_corrections(corrections, quantized);
    const std::vector<float> want = numbers(row.at("corrected"));
    REQUIRE(quantized.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      CHECK(quantized[i] == Approx(want[i]).margin(kWritten));
    }
  }
}

TEST_CASE("the bins of every histogram on the numerics page come out as written") {
  const auto all = examples("range min");
  CHECK(all.size() >= 4);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto bins =
        kernels::histogram_bins(number(row.at("range min")), number(row.at("range max")));
    CHECK(1 / bins.inverse_width == number(row.at("bin width")));
    CHECK(bins.first == number(row.at("first bin")));
  }
}

TEST_CASE("every threshold by divergence on the numerics page comes out as written") {
  const auto all = examples("kl counts");
  CHECK(all.size() >= 2);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto counts = numbers(row.at("kl counts"));
    CHECK(kl_half_width(std::vector<double>(counts.begin(), counts.end()),
                        std::stoi(row.at("levels"))) ==
          static_cast<std::size_t>(std::stoi(row.at("half width"))));
  }
}

TEST_CASE("every mid-tread quantizer on the numerics page comes out as written") {
  const auto all = examples("mid-tread bins");
  CHECK(all.size() >= 3);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const Statistics statistics{.min = number(row.at("min")),
                                .max = number(row.at("max")),
                                .mean = number(row.at("mean")),
                                .b = number(row.at("b"))};
    const MidTread made = mid_tread(statistics, {.bins = std::stoi(row.at("mid-tread bins")),
                                                 .half_range = row.at("ReLU") == "yes",
                                                 .clipped = row.at("clipping") == "laplace"});
    CHECK(made.grid.scale == Approx(number(row.at("step"))).margin(kWritten));
    CHECK(row.at("codes") == std::to_string(made.grid.qmin) + "…" + std::to_string(made.grid.qmax));
  }
}

TEST_CASE("every code length on the numerics page comes out as written") {
  const auto all = examples("code counts");
  CHECK(all.size() >= 3);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    CodeCounts counts;
    std::int32_t code = 0;
    for (const float count : numbers(row.at("code counts"))) {
      counts.add(std::vector<std::int32_t>(static_cast<std::size_t>(count), code++));
    }
    CHECK(counts.entropy() == Approx(number(row.at("entropy"))).margin(kWritten));
    CHECK(huffman_bits(counts) == Approx(number(row.at("huffman"))).margin(kWritten));
  }
}

TEST_CASE("every clustering on the numerics page comes out as written") {
  const auto all = examples("k-means values");
  CHECK(all.size() >= 2);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    CHECK(kmeans_centroids(numbers(row.at("k-means values")), std::stoi(row.at("bits"))) ==
          numbers(row.at("centroids")));
  }
}
