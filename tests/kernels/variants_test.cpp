// Every instruction set against the baseline, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>

#include "cases.h"
#include "kernels/cpu.h"
#include "kernels/min_max.h"
#include "kernels/moments.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

// Forces an instruction set for one scope.
class Forced {
 public:
  explicit Forced(InstructionSet set) : before_(active_instruction_set()) {
    force_instruction_set(set);
  }
  ~Forced() { force_instruction_set(before_); }

 private:
  InstructionSet before_;
};

// Everything that the loops compute from one input.
struct Outputs {
  std::vector<float> y, in_place, unmasked, stochastic, dequantized;
  std::vector<std::uint32_t> mask;
  std::vector<std::int32_t> codes;
  std::vector<std::uint8_t> narrow_codes;
  std::vector<MinMax> extremes;
};

Outputs compute(InstructionSet set, const std::vector<float>& x, const ChannelLayout& layout,
                const std::vector<AffineGrid>& grids, Rounding rounding) {
  const Forced forced(set);
  auto [y, mask] = fake_quantize(x, layout, grids, rounding);
  Outputs out{.y = std::move(y),
              .in_place = x,
              .unmasked = std::vector<float>(x.size()),
              .stochastic = std::vector<float>(x.size()),
              .dequantized = std::vector<float>(x.size()),
              .mask = std::move(mask),
              .codes = std::vector<std::int32_t>(x.size()),
              .narrow_codes = std::vector<std::uint8_t>(x.size()),
              .extremes = std::vector<MinMax>(static_cast<std::size_t>(layout.channels))};
  std::vector<std::uint32_t> mask_in_place(out.mask.size());
  fake_quantize_cpu(out.in_place.data(), out.in_place.data(), mask_in_place.data(), layout,
                    grids.data(), rounding);
  fake_quantize_cpu(x.data(), out.unmasked.data(), nullptr, layout, grids.data(), rounding);
  fake_quantize_stochastic_cpu(x.data(), out.stochastic.data(), nullptr, layout, grids.data(),
                               {1, 2, 3});
  quantize_cpu(x.data(), out.codes.data(), layout, grids.data(), rounding);
  quantize_cpu(x.data(), out.narrow_codes.data(), layout, grids.data(), rounding);
  dequantize_cpu(out.codes.data(), out.dequantized.data(), layout, grids.data());
  min_max_cpu(x.data(), layout, out.extremes.data());
  return out;
}

bool same(const Outputs& a, const Outputs& b) {
  return same_bits(a.y, b.y) && same_bits(a.in_place, b.in_place) &&
         same_bits(a.unmasked, b.unmasked) && same_bits(a.stochastic, b.stochastic) &&
         same_bits(a.dequantized, b.dequantized) && same_bits(a.mask, b.mask) &&
         same_bits(a.codes, b.codes) && same_bits(a.narrow_codes, b.narrow_codes) &&
         same_bits(a.extremes, b.extremes);
}

}  // namespace

TEST_CASE("every instruction set gives the bits of the baseline", "[kernels][variants]") {
  const int bits = GENERATE(range(1, 9));
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  CAPTURE(bits, to_string(rounding));
  for (const std::int64_t size : kSizes) {
    // One channel, and five that do not end on mask words.
    for (const ChannelLayout layout : {whole_tensor(size), ChannelLayout{2, 5, size % 40 + 1}}) {
      const auto x = inputs(layout.size(), 0.07f, static_cast<unsigned>(size * 8 + bits));
      std::vector<AffineGrid> grids;
      for (int c = 0; c < layout.channels; ++c)
        grids.push_back(unsigned_grid(0.07f * static_cast<float>(c + 1), bits));
      const Outputs reference = compute(InstructionSet::baseline, x, layout, grids, rounding);
      CHECK(same_bits(reference.y, reference.in_place));
      CHECK(same_bits(reference.y, reference.unmasked));
      for (const InstructionSet set : available_instruction_sets()) {
        CAPTURE(name(set), size, layout.channels);
        CHECK(same(compute(set, x, layout, grids, rounding), reference));
      }
    }
  }
}

TEST_CASE("every instruction set sums in the same order", "[kernels][variants]") {
  const std::int64_t size = GENERATE(from_range(kSizes));
  const ChannelLayout layout{3, 2, size};
  std::mt19937 random(static_cast<unsigned>(size));
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(layout.size()));
  for (float& v : x) v = normal(random);
  std::vector<Moments> reference(2), moments(2);
  {
    const Forced forced(InstructionSet::baseline);
    moments_cpu(x.data(), layout, reference.data());
  }
  for (const InstructionSet set : available_instruction_sets()) {
    const Forced forced(set);
    moments_cpu(x.data(), layout, moments.data());
    CHECK(std::memcmp(moments.data(), reference.data(), sizeof(Moments) * 2) == 0);
  }
}

TEST_CASE("the strongest available instruction set is used unless one is forced",
          "[kernels][variants]") {
  const auto sets = available_instruction_sets();
  REQUIRE_FALSE(sets.empty());
  CHECK(sets.front() == InstructionSet::baseline);
  CHECK(active_instruction_set() == sets.back());
  {
    const Forced forced(InstructionSet::baseline);
    CHECK(active_instruction_set() == InstructionSet::baseline);
  }
  CHECK(active_instruction_set() == sets.back());
}
