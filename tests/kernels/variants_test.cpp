// Every instruction set against the baseline, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>

#include "cases.h"
#include "kernels/clamp_quantize.h"
#include "kernels/cpu.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/learned_scale.h"
#include "kernels/min_max.h"
#include "kernels/moments.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"
#include "kernels/weight_quantizer.h"

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

TEST_CASE("every instruction set takes the same optimizer steps", "[kernels][variants]") {
  const std::int64_t size = GENERATE(from_range(kSizes));
  const auto start = inputs(size, 0.1f, 1);
  const auto gradients = inputs(size, 0.3f, 2);
  struct Buffers {
    std::vector<float> sgd_p, sgd_m, adam_p, adam_m, adam_v;
  };
  const auto steps = [&](InstructionSet set) {
    const Forced forced(set);
    const std::vector<float> zeros(start.size());
    Buffers out{start, zeros, start, zeros, zeros};
    const float lr = 0.1f;
    for (std::int64_t step = 1; step <= 3; ++step) {
      sgd_step_cpu(out.sgd_p.data(), out.sgd_m.data(), gradients.data(), size,
                   {.momentum = 0.9f, .weight_decay = 1e-4f, .nesterov = size % 2 == 0}, &lr);
      adam_step_cpu(out.adam_p.data(), out.adam_m.data(), out.adam_v.data(), gradients.data(), size,
                    {.weight_decay = 1e-4}, &lr, &step);
    }
    return out;
  };
  const Buffers reference = steps(InstructionSet::baseline);
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(name(set), size);
    const Buffers got = steps(set);
    CHECK(same_numbers(got.sgd_p, reference.sgd_p));
    CHECK(same_numbers(got.sgd_m, reference.sgd_m));
    CHECK(same_numbers(got.adam_p, reference.adam_p));
    CHECK(same_numbers(got.adam_m, reference.adam_m));
    CHECK(same_numbers(got.adam_v, reference.adam_v));
  }
}

TEST_CASE("every instruction set finds the same loss", "[kernels][variants]") {
  const std::int64_t classes = GENERATE(1, 2, 10, 33);
  const std::int64_t rows = GENERATE(1, 255, 256, 600);
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<float> logits(static_cast<std::size_t>(rows * classes));
  for (float& v : logits) v = normal(random);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (auto& label : labels)
    label = static_cast<std::int32_t>(random() % static_cast<unsigned>(classes));
  const auto run = [&](InstructionSet set, std::vector<float>& grad) {
    const Forced forced(set);
    grad.resize(logits.size());
    LossSum out{};
    softmax_loss_cpu(logits.data(), labels.data(), rows, classes, 0.1, grad.data(), &out);
    return out;
  };
  std::vector<float> expected_grad, grad;
  const LossSum expected = run(InstructionSet::baseline, expected_grad);
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(name(set));
    const LossSum got = run(set, grad);
    CHECK(got.loss == expected.loss);
    CHECK(got.correct == expected.correct);
    CHECK(same_bits(grad, expected_grad));
  }
}

TEST_CASE("every instruction set quantizes weights to the same bits", "[kernels][variants]") {
  struct Weights {
    std::vector<float> w_q, grad;
    std::vector<double> tanh_w;
    std::vector<std::int32_t> codes;
    std::vector<WeightQuantizerState> state;
  };
  const auto compute = [](InstructionSet set, const std::vector<float>& w,
                          const WeightQuantizer& quantizer) {
    const Forced forced(set);
    const auto n = static_cast<std::int64_t>(w.size());
    Weights out{std::vector<float>(w.size()), std::vector<float>(w.size()),
                std::vector<double>(w.size()), std::vector<std::int32_t>(w.size()),
                std::vector<WeightQuantizerState>(1)};
    quantize_weights_cpu(w.data(), out.w_q.data(), out.tanh_w.data(), n, quantizer,
                         out.state.data());
    quantize_weights_backward_cpu(w.data(), out.tanh_w.data(), out.w_q.data(), out.grad.data(), n,
                                  quantizer, out.state[0]);
    weight_codes_cpu(out.tanh_w.data(), out.codes.data(), n, quantizer, out.state[0]);
    return out;
  };
  const WeightQuantizer quantizer{
      GENERATE(WeightQuantizerKind::tanh_symmetric, WeightQuantizerKind::dorefa),
      GENERATE(range(1, 17))};
  for (const std::int64_t size : kSizes)
    for (const float step : {0.02f, 0.4f}) {
      auto w = inputs(size, step, static_cast<unsigned>(size));
      for (float& v : w)
        if (v != v) v = 0.5f * step;  // NaN is NaN everywhere, but its bits are the processor's
      const Weights reference = compute(InstructionSet::baseline, w, quantizer);
      for (const InstructionSet set : available_instruction_sets()) {
        CAPTURE(name(set), size, quantizer.bits);
        const Weights out = compute(set, w, quantizer);
        CHECK(same_bits(out.w_q, reference.w_q));
        CHECK(same_bits(out.tanh_w, reference.tanh_w));
        CHECK(same_bits(out.codes, reference.codes));
        CHECK(same_bits(out.state, reference.state));
        CHECK(same_bits(out.grad, reference.grad));
      }
    }
}

TEST_CASE("every instruction set gives learned scales, clamps and gradients the same bits",
          "[kernels][variants]") {
  struct Learned {
    std::vector<float> grad_x, grad_w, clamped, grad_clamped, gradients;
    std::vector<double> sums;  // of scale, zero point, α
    std::vector<std::int32_t> codes;
  };
  const auto compute = [](InstructionSet set, const std::vector<float>& x,
                          const std::vector<float>& grad, const ChannelLayout& layout, int bits) {
    const Forced forced(set);
    Learned out{
        grad, grad, x, grad, grad, std::vector<double>(5), std::vector<std::int32_t>(x.size())};
    const std::vector<AffineGrid> grids{unsigned_grid(0.07f, bits), signed_grid(0.1f, bits)};
    learned_scale_backward_cpu(x.data(), out.grad_x.data(), out.grad_x.data(), layout, grids.data(),
                               {}, 0.5, out.sums.data(), out.sums.data() + 2);
    std::vector<MaxAbs> max_abs(2);
    std::vector<AffineGrid> own_grids(2);
    max_abs_grids_cpu(x.data(), layout, bits, max_abs.data(), own_grids.data());
    max_abs_backward_cpu(x.data(), out.grad_w.data(), out.grad_w.data(), layout, max_abs.data(),
                         own_grids.data());
    const ClampQuantizer quantizer{ClampQuantizerKind::mpact, bits};
    clamp_quantize_cpu(out.clamped.data(), out.clamped.data(), out.codes.data(), layout.size(),
                       quantizer, 0.3f);
    clamp_quantize_backward_cpu(x.data(), out.grad_clamped.data(), out.grad_clamped.data(),
                                layout.size(), quantizer, 0.3f, &out.sums[4]);
    std::vector<MinMax> extremes(2);
    min_max_cpu(grad.data(), layout, extremes.data());
    quantize_gradients_cpu(out.gradients.data(), out.gradients.data(), RandomStream{1, 2, 3},
                           layout, extremes.data(), {bits, true});
    return out;
  };
  const auto finite_inputs = [](std::int64_t n, unsigned seed) {
    auto x = inputs(n, 0.07f, seed);
    for (float& v : x) v = std::fabs(v) < 100.0f ? v : 0.05f;
    return x;
  };
  const int bits = GENERATE(range(2, 9));
  for (const std::int64_t size : kSizes) {
    const ChannelLayout layout{size % 3 + 1, 2, size};
    const auto x = finite_inputs(layout.size(), static_cast<unsigned>(size));
    const auto grad = finite_inputs(layout.size(), static_cast<unsigned>(size) + 1);
    const Learned reference = compute(InstructionSet::baseline, x, grad, layout, bits);
    for (const InstructionSet set : available_instruction_sets()) {
      CAPTURE(name(set), size, bits);
      const Learned out = compute(set, x, grad, layout, bits);
      CHECK(same_bits(out.grad_x, reference.grad_x));
      CHECK(same_bits(out.grad_w, reference.grad_w));
      CHECK(same_bits(out.clamped, reference.clamped));
      CHECK(same_bits(out.grad_clamped, reference.grad_clamped));
      CHECK(same_bits(out.gradients, reference.gradients));
      CHECK(same_bits(out.sums, reference.sums));
      CHECK(same_bits(out.codes, reference.codes));
    }
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
