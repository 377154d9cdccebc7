#include "kernels/histogram.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "cases.h"
#include "kernels/cpu.h"
#include "kernels/min_max.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

std::vector<std::uint32_t> counted(const std::vector<float>& x, const ChannelLayout& layout,
                                   const std::vector<HistogramBins>& bins, std::int64_t stride) {
  std::vector<std::uint32_t> out(bins.size() * kHistogramBins, 0);
  histogram_cpu(x.data(), layout, bins.data(), stride, out.data());
  return out;
}

}  // namespace

TEST_CASE("bins hold their range, at least half of them are used, and widths are powers of two",
          "[kernels][histogram]") {
  struct Range {
    float min, max;
  };
  for (const Range range : {Range{-1, 1}, Range{0, 6}, Range{-3, 0.1f}, Range{1e-20f, 3e-20f},
                            Range{-3e38f, 3e38f}, Range{1, 100}}) {
    CAPTURE(range.min, range.max);
    const HistogramBins bins = histogram_bins(range.min, range.max);
    CHECK(std::ldexp(1.0f, std::ilogb(bins.inverse_width)) == bins.inverse_width);
    CHECK(bin_of(range.min, bins) == 0);
    const double used = (static_cast<double>(range.max) - range.min) * bins.inverse_width;
    CHECK(used <= kHistogramBins - 2);
    CHECK(used > (kHistogramBins - 2) / 2);
    CHECK(std::floor(range.max * bins.inverse_width) - bins.first < kHistogramBins);
  }
}

TEST_CASE("a constant, and a range that is narrow far from zero, have bins that float32 can count",
          "[kernels][histogram]") {
  for (const float value : {0.0f, 5.0f, -1e30f, 1e-38f}) {
    const HistogramBins bins = histogram_bins(value, value);
    CAPTURE(value);
    CHECK(std::isfinite(bins.first));
    CHECK(bin_of(value, bins) == 0);
  }
  const float next = std::nextafter(1000.0f, 2000.0f);
  const HistogramBins bins = histogram_bins(1000.0f, next);
  CHECK(bin_of(next, bins) == 1);
}

TEST_CASE("a wider range never has finer bins", "[kernels][histogram]") {
  float inverse = histogram_bins(0, 0).inverse_width;
  for (float upper = 1e-6f; upper < 1e6f; upper *= 1.37f) {
    const HistogramBins bins = histogram_bins(-0.3f * upper, upper);
    CHECK(bins.inverse_width <= inverse);
    inverse = bins.inverse_width;
  }
}

TEST_CASE("every value is counted once, in the bin whose edges it lies between",
          "[kernels][histogram]") {
  // One bin is 1/256 wide.
  const HistogramBins bins = histogram_bins(-2, 2);
  REQUIRE(bins.inverse_width == 256);
  const std::vector<float> x{-2, -2 + 0.0038f, -1.996f, 0, 1.0f / 256, -1e-9f, 2};
  const auto counts = counted(x, whole_tensor(7), {bins}, 1);
  CHECK(counts[0] == 2);  // −2 and a value just below −2 + 1/256
  CHECK(counts[1] == 1);
  CHECK(counts[511] == 1);   // −1e-9
  CHECK(counts[512] == 1);   // 0
  CHECK(counts[513] == 1);   // exactly on an edge: the bin above
  CHECK(counts[1024] == 1);  // 2
  CHECK(std::accumulate(counts.begin(), counts.end(), 0u) == 7);
}

TEST_CASE("channels are counted apart, and counts add up over calls", "[kernels][histogram]") {
  const ChannelLayout layout{2, 2, 3};
  const std::vector<float> x{0, 0, 1, 5, 5, 5, 1, 1, 1, 5, 4, 4};
  const std::vector<HistogramBins> bins{histogram_bins(0, 1), histogram_bins(4, 5)};
  auto counts = counted(x, layout, bins, 1);
  histogram_cpu(x.data(), layout, bins.data(), 1, counts.data());
  CHECK(counts[static_cast<std::size_t>(bin_of(0, bins[0]))] == 4);
  CHECK(counts[static_cast<std::size_t>(bin_of(1, bins[0]))] == 8);
  CHECK(counts[kHistogramBins + static_cast<std::size_t>(bin_of(4, bins[1]))] == 4);
  CHECK(counts[kHistogramBins + static_cast<std::size_t>(bin_of(5, bins[1]))] == 8);
}

TEST_CASE("a stride counts one block in so many, numbered through the channel",
          "[kernels][histogram]") {
  // Rows of 100 are blocks of 64 and 36: blocks 0, 3, 6, 9 are 64 + 36 + 64 + 36 elements.
  const ChannelLayout layout{5, 1, 100};
  const std::vector<float> x(500, 1.0f);
  const auto counts = counted(x, layout, {histogram_bins(1, 1)}, 3);
  CHECK(counts[0] == 200);
}

TEST_CASE("a stride steps over whole rows where they are short", "[kernels][histogram]") {
  // Nine rows of one block each; row n of either channel holds n.
  const ChannelLayout layout{9, 2, 10};
  std::vector<float> x;
  for (int row = 0; row < 9; ++row) x.insert(x.end(), 20, static_cast<float>(row));
  const HistogramBins bins = histogram_bins(0, 8);
  const auto counts = counted(x, layout, {bins, bins}, 4);
  for (int channel = 0; channel < 2; ++channel) {
    for (int row = 0; row < 9; ++row) {
      CAPTURE(channel, row);
      const auto bin = bin_of(static_cast<float>(row), bins) + channel * kHistogramBins;
      CHECK(counts[static_cast<std::size_t>(bin)] == (row % 4 == 0 ? 10 : 0));
    }
  }
}

TEST_CASE("every instruction set counts the same", "[kernels][histogram]") {
  const ChannelLayout layout = GENERATE(ChannelLayout{1, 1, 1}, ChannelLayout{1, 1, 4097},
                                        ChannelLayout{3, 5, 63}, ChannelLayout{7, 2, 129});
  const std::int64_t stride = GENERATE(1, 4);
  const auto x = inputs(layout.size(), 0.1f, 5);
  std::vector<MinMax> extremes(static_cast<std::size_t>(layout.channels));
  min_max_cpu(x.data(), layout, extremes.data());
  std::vector<HistogramBins> bins;
  for (const MinMax& e : extremes) bins.push_back(histogram_bins(e.min, e.max));
  const InstructionSet before = active_instruction_set();
  force_instruction_set(InstructionSet::baseline);
  const auto expected = counted(x, layout, bins, stride);
  for (const InstructionSet set : available_instruction_sets()) {
    force_instruction_set(set);
    CHECK(counted(x, layout, bins, stride) == expected);
  }
  force_instruction_set(before);
}
