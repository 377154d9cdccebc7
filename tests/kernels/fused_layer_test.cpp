#include "kernels/fused_layer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <stdexcept>

#include "cases.h"
#include "fused_problem.h"
#include "kernels/cpu.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinRel;
using Floats = std::vector<float>;

namespace {

constexpr ClampQuantizer kNoQuantizer{};

// float32, nothing but what the call's arguments say.
FusedLayer plain(std::int64_t rows, std::int64_t channels) {
  FusedLayer out;
  out.rows = rows;
  out.channels = channels;
  return out;
}

// One channel through a nonlinearity and a quantizer, without norm or addition.
struct Tail {
  Floats y, gradient;  // of the arriving gradients 1, 2, 3, …
  double alpha_gradient = 0;
};

Tail tail(const Floats& x, NonlinearityParams nonlinearity, ClampQuantizer quantizer = kNoQuantizer,
          float alpha = 0.0f) {
  FusedLayer layer = plain(static_cast<std::int64_t>(x.size()), 1);
  layer.nonlinearity = nonlinearity;
  layer.quantizer = quantizer;
  layer.alpha = &alpha;
  Tail out{.y = Floats(x.size()), .gradient = Floats(x.size())};
  for (std::size_t i = 0; i < x.size(); ++i) out.gradient[i] = static_cast<float>(i + 1);
  fused_forward_cpu(layer, x.data(), nullptr, nullptr, out.y.data(), {0, 1});
  fused_backward_sums_cpu(layer, x.data(), nullptr, nullptr, {out.gradient.data()}, nullptr,
                          &out.alpha_gradient, out.gradient.data(), {0, 1});
  return out;
}

bool same(const FusedOutputs& a, const FusedOutputs& b) {
  return same_bits(a.pivots, b.pivots) && same_bits(a.running_mean, b.running_mean) &&
         same_bits(a.running_var, b.running_var) && same_bits(a.affine, b.affine) &&
         same_bits(a.y, b.y) && same_bits(a.passed, b.passed) &&
         same_bits(a.gamma_gradient, b.gamma_gradient) &&
         same_bits(a.beta_gradient, b.beta_gradient) && same_bits(a.norm, b.norm) &&
         same_bits(a.dx, b.dx) && same_bits(a.dx_again, b.dx_again) &&
         same_bits(a.alpha_sums, b.alpha_sums);
}

// Neither rows nor channels fill blocks of 256 elements or chunks of 16384.
struct Size {
  std::int64_t rows, channels;
};
const std::vector<Size> kOddSizes{{1, 1},     {17, 1},   {40000, 1}, {5, 3},    {11000, 3},
                                  {2050, 16}, {1, 24},   {1400, 24}, {3, 300},  {111, 300},
                                  {2, 16385}, {683, 24}, {682, 24},  {1024, 16}};

FusedProblem problem(Size size, Element element, NonlinearityParams nonlinearity,
                     ClampQuantizerKind quantizer) {
  return {size.rows, size.channels, element, nonlinearity, {quantizer, 6, 0.3f, 1.2f}};
}

class Forced {
 public:
  explicit Forced(InstructionSet set) : before_(active_instruction_set()) {
    force_instruction_set(set);
  }
  ~Forced() { force_instruction_set(before_); }

 private:
  InstructionSet before_;
};

std::uint16_t bf16_bits(float x) {
  BFloat16 out;
  from_float(x, out);
  return out.bits;
}

// ---- float64, written from the definitions, in two passes over the data ----

double reference_nonlinear(double u, const NonlinearityParams& p) {
  const double gate = std::clamp(u + 3, 0.0, 6.0) / 6;
  if (p.kind == Nonlinearity::hard_swish) return u * gate;
  if (p.kind == Nonlinearity::hard_sigmoid) return gate;
  if (p.kind == Nonlinearity::hard_sigmoid_fifth) return std::clamp(u / 5 + 0.5, 0.0, 1.0);
  return std::clamp(u, static_cast<double>(p.low), static_cast<double>(p.high));
}

double reference_slope(double u, const NonlinearityParams& p) {
  if (p.kind == Nonlinearity::hard_swish) return u < -3 ? 0 : u <= 3 ? u / 3 + 0.5 : 1;
  if (p.kind == Nonlinearity::hard_sigmoid) return std::abs(u) < 3 ? 1.0 / 6 : 0;
  if (p.kind == Nonlinearity::hard_sigmoid_fifth) return std::abs(u) < 2.5 ? 0.2 : 0;
  return u > p.low && u < p.high ? 1 : 0;
}

// Differences of ours from it stay within this share of the summed magnitudes: float32 sums over a
// chunk's 64 blocks, float32 products.
constexpr double kShare = 1e-5;

void check_against_reference(const FusedProblem& p, const FusedOutputs& out) {
  const FusedLayer layer = p.bound();
  const Floats x = decode(p.x, layer.element), other = decode(p.other, layer.element),
               first = decode(p.first, layer.element), second = decode(p.second, layer.element),
               y = decode(out.y, layer.element), dx = decode(out.dx_again, layer.element);
  const ClampGrid grid = clamp_grid(layer.quantizer, p.alpha);
  const bool quantized = layer.quantizer.kind != ClampQuantizerKind::none;
  const auto rows = static_cast<double>(layer.rows);
  double alpha_gradient = 0, alpha_magnitude = 0;
  bool values_agree = true, gradients_agree = true;
  for (std::int64_t c = 0; c < layer.channels; ++c) {
    const auto at = [&](std::int64_t row) {
      return static_cast<std::size_t>(row * layer.channels + c);
    };
    const auto channel = static_cast<std::size_t>(c);
    double mean = 0, variance = 0;
    for (std::int64_t r = 0; r < layer.rows; ++r) mean += x[at(r)] / rows;
    for (std::int64_t r = 0; r < layer.rows; ++r)
      variance += (x[at(r)] - mean) * (x[at(r)] - mean) / rows;
    const double inverse_std = 1 / std::sqrt(variance + p.eps);
    const double gamma = p.gamma[channel];
    // The line scale·x + shift loses what its terms are larger than their sum: few rows that happen
    // to lie close together, far from 0.
    const double share = kShare * std::max(1.0, std::abs(gamma * inverse_std * mean));
    std::vector<double> g(static_cast<std::size_t>(layer.rows));
    double sum = 0, product = 0, sum_magnitude = 0, product_magnitude = 0;
    for (std::int64_t r = 0; r < layer.rows; ++r) {
      const double normal = (x[at(r)] - mean) * inverse_std;
      const double u = gamma * normal + p.beta[channel] + other[at(r)];
      const double t = reference_nonlinear(u, layer.nonlinearity);
      double slope = reference_slope(u, layer.nonlinearity), expected = t;
      double arriving = static_cast<double>(first[at(r)]) + second[at(r)];
      double half_step = 1;
      if (quantized) {
        const double v = t * grid.factor;
        const double code = std::clamp<double>(v, grid.low, grid.high) * grid.scale;
        half_step =
            std::abs(code - std::floor(code) - 0.5);  // nearer than this it may go either way
        expected = std::nearbyint(code) / grid.scale;
        const double of_alpha = v <= grid.low    ? grid.alpha_low
                                : v >= grid.high ? grid.alpha_high
                                                 : 0;
        alpha_gradient += arriving * of_alpha;
        alpha_magnitude += std::abs(arriving * of_alpha);
        slope *= v >= grid.low && v <= grid.high ? grid.factor : 0;
      }
      if (half_step > 1e-3)
        values_agree &= std::abs(y[at(r)] - expected) <= share * std::max(1.0, std::abs(expected));
      const double passed = arriving * slope;
      g[static_cast<std::size_t>(r)] = passed;
      sum += passed;
      product += passed * normal;
      sum_magnitude += std::abs(passed);
      product_magnitude += std::abs(passed * normal);
    }
    CHECK(std::abs(out.beta_gradient[channel] - sum) <= share * (1 + sum_magnitude));
    CHECK(std::abs(out.gamma_gradient[channel] - product) <= share * (1 + product_magnitude));
    for (std::int64_t r = 0; r < layer.rows; ++r) {
      const double normal = (x[at(r)] - mean) * inverse_std;
      const double scale = gamma * inverse_std;
      const double expected =
          scale * (g[static_cast<std::size_t>(r)] - sum / rows - normal * product / rows);
      const double size = std::abs(scale) * (1 + std::abs(g[static_cast<std::size_t>(r)]));
      gradients_agree &= std::abs(dx[at(r)] - expected) <= 2 * share * size;
    }
    CHECK_THAT(out.running_mean[channel], Catch::Matchers::WithinAbs(0.45 + 0.1 * mean, 1e-6));
    const double unbiased = layer.rows > 1 ? variance * rows / (rows - 1) : variance;
    CHECK_THAT(out.running_var[channel], WithinRel(1.8 + 0.1 * unbiased, 1e-5));
  }
  CHECK(values_agree);
  CHECK(gradients_agree);
  CHECK(std::abs(out.alpha_gradient() - alpha_gradient) <= kShare * (1 + alpha_magnitude));
}

}  // namespace

TEST_CASE("a batch norm's moments, values and gradients come out as by hand", "[kernels][fused]") {
  // Channel 0: 1, 2, 3, 6: mean 3, biased variance 14 / 4; with ε = 1/2 the divisor is 2. Channel 1
  // is constant: the divisor is √(1/2).
  const Floats x{1, 5, 2, 5, 3, 5, 6, 5};
  const Floats gamma{2, 1}, beta{1, -1};
  Floats running_mean{0, 10}, running_var{1, 1}, pivots(2);
  const FusedLayer layer = plain(4, 2);
  const NormParameters parameters{gamma.data(), beta.data(), running_mean.data(),
                                  running_var.data(), 0.5};
  std::vector<NormSums> sums(2);
  std::vector<NormAffine> affine(2);
  norm_pivots_cpu(layer, x.data(), pivots.data());
  CHECK(pivots == Floats{3, 5});
  norm_sums_cpu(layer, x.data(), pivots.data(), sums.data(), {0, 1});
  CHECK(sums[0].sum == 0.0);
  CHECK(sums[0].squares == 14.0);
  CHECK(sums[1].squares == 0.0);
  norm_finish_cpu(layer, sums.data(), pivots.data(), parameters, 0.1, affine.data());
  CHECK(affine[0].mean == 3.0f);
  CHECK(affine[0].inverse_std == 0.5f);
  CHECK(affine[0].scale == 1.0f);
  CHECK(affine[0].shift == -2.0f);
  CHECK_THAT(affine[1].inverse_std, WithinRel(std::sqrt(2.0f), 1e-7f));
  CHECK(running_mean == Floats{0.3f, 9.5f});
  CHECK(running_var == Floats{static_cast<float>(0.9 + 0.1 * (14.0 / 3.0)), 0.9f});

  Floats y(8);
  fused_forward_cpu(layer, x.data(), affine.data(), nullptr, y.data(), {0, 1});
  CHECK(Floats{y[0], y[2], y[4], y[6]} == Floats{-1, 0, 1, 4});
  CHECK(Floats{y[1], y[3], y[5], y[7]} == Floats(4, -1.0f));

  // A gradient of 1 at the first element: Σ g = 1, Σ g·(x − 3) = −2.
  Floats gradient(8, 0.0f);
  gradient[0] = 1;
  std::vector<GradientSums> gradients(2);
  fused_backward_sums_cpu(layer, x.data(), affine.data(), nullptr, {gradient.data()},
                          gradients.data(), nullptr, nullptr, {0, 1});
  CHECK(gradients[0].gradient == 1.0);
  CHECK(gradients[0].product == -2.0);
  Floats gamma_gradient(2), beta_gradient(2), dx(8);
  std::vector<NormGradient> norm(2);
  norm_gradient_finish_cpu(layer, gradients.data(), affine.data(), gamma.data(), true,
                           gamma_gradient.data(), beta_gradient.data(), norm.data());
  CHECK(gamma_gradient[0] == -1.0f);
  CHECK(beta_gradient[0] == 1.0f);
  norm_backward_cpu(layer, x.data(), affine.data(), norm.data(), nullptr, {gradient.data()},
                    nullptr, dx.data(), {0, 1});
  CHECK(Floats{dx[0], dx[2], dx[4], dx[6]} == Floats{0.5f, -0.375f, -0.25f, 0.125f});
  CHECK(Floats{dx[1], dx[3], dx[5], dx[7]} == Floats(4, 0.0f));

  // Evaluation: the statistics are constants.
  running_mean = {3, 5};
  running_var = {3.5f, 3.5f};
  norm_evaluate_cpu(2, parameters, affine.data());
  CHECK(affine[0].scale == 1.0f);
  CHECK(affine[0].shift == -2.0f);
  norm_gradient_finish_cpu(layer, gradients.data(), affine.data(), gamma.data(), false,
                           gamma_gradient.data(), beta_gradient.data(), norm.data());
  CHECK(gamma_gradient[0] == -1.0f);
  norm_backward_cpu(layer, x.data(), affine.data(), norm.data(), nullptr, {gradient.data()},
                    nullptr, dx.data(), {0, 1});
  CHECK(dx == gradient);
}

TEST_CASE("re-estimated statistics are the mean over batches, and a share of 0 leaves them",
          "[kernels][fused]") {
  const FusedLayer layer = plain(2, 1);
  const float gamma = 1, beta = 0;
  float mean = 100, variance = 100;
  NormAffine affine;
  double share = 1;
  for (const Floats& x : {Floats{1, 3}, Floats{5, 9}, Floats{0, 0}}) {
    float pivot;
    NormSums sums;
    norm_pivots_cpu(layer, x.data(), &pivot);
    norm_sums_cpu(layer, x.data(), &pivot, &sums, {0, 1});
    norm_finish_cpu(layer, &sums, &pivot, {&gamma, &beta, &mean, &variance}, 1 / share, &affine);
    ++share;
    norm_finish_cpu(layer, &sums, &pivot, {&gamma, &beta, &mean, &variance}, 0.0, &affine);
  }
  CHECK_THAT(mean, WithinRel((2.0f + 7.0f + 0.0f) / 3, 1e-6f));
  CHECK_THAT(variance, WithinRel((2.0f + 8.0f + 0.0f) / 3, 1e-6f));
}

TEST_CASE("a large mean does not hide a small variance", "[kernels][fused]") {
  const auto rows = static_cast<std::size_t>(chunk_rows(1)) * 2;
  Floats x(rows);
  for (std::size_t i = 0; i < rows; ++i) x[i] = i % 2 == 0 ? 10000.0f : 10001.0f;
  const FusedLayer layer = plain(static_cast<std::int64_t>(rows), 1);
  float pivot, running_mean = 0, running_var = 0;
  const float gamma = 1, beta = 0;
  std::vector<NormSums> sums(2);
  NormAffine affine;
  norm_pivots_cpu(layer, x.data(), &pivot);
  norm_sums_cpu(layer, x.data(), &pivot, sums.data(), {0, 2});
  norm_finish_cpu(layer, sums.data(), &pivot, {&gamma, &beta, &running_mean, &running_var, 0.0}, 1,
                  &affine);
  CHECK(affine.inverse_std == 2.0f);
  CHECK(running_mean == 10000.5f);
}

TEST_CASE("nonlinearities have their values and slopes at the corners", "[kernels][fused]") {
  const Tail identity = tail({-1, 0, 2}, kIdentity);
  CHECK(identity.y == Floats{-1, 0, 2});
  CHECK(identity.gradient == Floats{1, 2, 3});
  const Tail relu = tail({-1, 0, 2}, kRelu);
  CHECK(relu.y == Floats{0, 0, 2});
  CHECK(relu.gradient == Floats{0, 0, 3});
  const Tail relu6 = tail({-1, 0, 3, 6, 7}, kRelu6);
  CHECK(relu6.y == Floats{0, 0, 3, 6, 6});
  CHECK(relu6.gradient == Floats{0, 0, 3, 0, 0});
  const Tail swish = tail({-4, -3, -1.5f, 0, 3, 4}, kHardSwish);
  CHECK(swish.y == Floats{0, 0, -0.375f, 0, 3, 4});
  CHECK(swish.gradient == Floats{0, -0.5f * 2, 0, 0.5f * 4, 1.5f * 5, 6});
  const Tail sigmoid = tail({-4, -3, 0, 3, 4}, kHardSigmoid);
  CHECK(sigmoid.y == Floats{0, 0, 0.5f, 1, 1});
  CHECK(sigmoid.gradient == Floats{0, 0, 3 * (1.0f / 6.0f), 0, 0});
}

TEST_CASE("NaN passes every nonlinearity and quantizer, so that divergence shows",
          "[kernels][fused]") {
  const auto nonlinearity =
      GENERATE(kIdentity, kRelu, kRelu6, kHardSwish, kHardSigmoid, kHardSigmoidFifth);
  const auto kind =
      GENERATE(ClampQuantizerKind::none, ClampQuantizerKind::dorefa_clamp,
               ClampQuantizerKind::pact_fixed, ClampQuantizerKind::pact, ClampQuantizerKind::mpact);
  CHECK(std::isnan(tail({kNan}, nonlinearity, {kind, 4, 0.1f, 2.0f}, 1.0f).y[0]));
}

TEST_CASE("quantizers behind a nonlinearity pass gradients to x and α", "[kernels][fused]") {
  // α = 3: steps of one.
  const Tail pact = tail({-1, 0.5f, 1.5f, 2.6f, 3, 4}, kRelu, {ClampQuantizerKind::pact, 2}, 3);
  CHECK(pact.y == Floats{0, 0, 2, 3, 3, 3});
  CHECK(pact.gradient == Floats{0, 2, 3, 4, 5, 0});
  CHECK(pact.alpha_gradient == 5.0 + 6.0);
  const Tail mpact =
      tail({-4, -3, -0.5f, 0.5f, 2.5f, 3, 4}, kIdentity, {ClampQuantizerKind::mpact, 3}, 3);
  CHECK(mpact.y == Floats{-3, -3, 0, 0, 2, 3, 3});
  CHECK(mpact.gradient == Floats{0, 2, 3, 4, 5, 6, 0});
  CHECK(mpact.alpha_gradient == 6.0 + 7.0 - 1.0 - 2.0);
  // A clamp of half of x takes half of the gradient.
  const Tail dorefa = tail({-1, 1, 2, 3}, kIdentity, {ClampQuantizerKind::dorefa_clamp, 1, 0.5f});
  CHECK(dorefa.y == Floats{0, 0, 1, 1});
  CHECK(dorefa.gradient == Floats{0, 1, 1.5f, 0});
  CHECK(dorefa.alpha_gradient == 0.0);
}

TEST_CASE("a sum quantizes the sum, and both gradients of y reach both terms", "[kernels][fused]") {
  const Floats x{1, -2, 3, 0.5f}, other{1, 1, -3, 0.25f}, first{1, 2, 3, 4}, second{10, 20, 30, 40};
  FusedLayer layer = plain(2, 2);
  layer.nonlinearity = kRelu;
  Floats y(4), passed(4);
  fused_forward_cpu(layer, x.data(), nullptr, other.data(), y.data(), {0, 1});
  CHECK(y == Floats{2, 0, 0, 0.75f});
  fused_backward_sums_cpu(layer, x.data(), nullptr, other.data(), {first.data(), second.data()},
                          nullptr, nullptr, passed.data(), {0, 1});
  CHECK(passed == Floats{11, 0, 0, 44});
}

TEST_CASE("bfloat16 is the nearest, ties to even, and NaN stays NaN", "[kernels][fused]") {
  CHECK(bf16_bits(1.0f) == 0x3f80);
  CHECK(bf16_bits(1.0f + 0x1p-8f) == 0x3f80);             // a tie, to the even one below
  CHECK(bf16_bits(1.0f + 3 * 0x1p-8f) == 0x3f82);         // a tie, to the even one above
  CHECK(bf16_bits(1.0f + 0x1p-8f + 0x1p-20f) == 0x3f81);  // just above a tie
  CHECK(bf16_bits(-(1.0f + 0x1p-8f)) == 0xbf80);
  CHECK(bf16_bits(-0.0f) == 0x8000);
  CHECK(bf16_bits(1e-45f) == 0x0000);
  CHECK(bf16_bits(3.4e38f) == 0x7f80);  // above the largest
  CHECK(bf16_bits(kInf) == 0x7f80);
  CHECK(bf16_bits(-kInf) == 0xff80);
  for (const std::uint32_t bits : {0x7f800001u, 0xffffffffu, 0x7fc00000u}) {
    float nan;
    __builtin_memcpy(&nan, &bits, sizeof(nan));
    CHECK(std::isnan(to_float(BFloat16{bf16_bits(nan)})));
  }
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {  // every one comes back
    const float x = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    if (!std::isnan(x)) REQUIRE(bf16_bits(x) == bits);
  }
}

TEST_CASE("fused layers equal float64 at every odd size", "[kernels][fused]") {
  const Size size = GENERATE(from_range(kOddSizes));
  const auto nonlinearity = GENERATE(kIdentity, kRelu6, kHardSwish);
  const auto quantizer = GENERATE(ClampQuantizerKind::none, ClampQuantizerKind::mpact);
  CAPTURE(size.rows, size.channels, static_cast<int>(quantizer));
  const FusedProblem p = problem(size, Element::f32, nonlinearity, quantizer);
  check_against_reference(p, run_fused(p));
}

TEST_CASE("any sharing of the chunks gives the same bits", "[kernels][fused]") {
  const Size size = GENERATE(from_range(kOddSizes));
  const Element element = GENERATE(Element::f32, Element::bf16);
  CAPTURE(size.rows, size.channels);
  const FusedProblem p = problem(size, element, kRelu, ClampQuantizerKind::pact);
  std::vector<ChunkRange> singly;
  for (std::int64_t chunk = p.chunks(); chunk-- > 0;) singly.push_back({chunk, chunk + 1});
  singly.push_back({0, 0});
  CHECK(same(run_fused(p), run_fused(p, singly)));
}

TEST_CASE("fused layers have the same bits with every instruction set", "[kernels][fused]") {
  const Size size = GENERATE(from_range(kOddSizes));
  const Element element = GENERATE(Element::f32, Element::bf16);
  const auto nonlinearity = GENERATE(kRelu, kHardSwish, kHardSigmoid, kHardSigmoidFifth);
  const auto quantizer = GENERATE(ClampQuantizerKind::none, ClampQuantizerKind::dorefa_clamp,
                                  ClampQuantizerKind::mpact);
  const FusedProblem p = problem(size, element, nonlinearity, quantizer);
  const Forced baseline(InstructionSet::baseline);
  const FusedOutputs expected = run_fused(p);
  for (const InstructionSet set : available_instruction_sets()) {
    CAPTURE(size.rows, size.channels, name(set));
    const Forced forced(set);
    CHECK(same(run_fused(p), expected));
  }
}

TEST_CASE("bfloat16 layers are float32 layers of rounded values, rounded once",
          "[kernels][fused]") {
  const Size size = GENERATE(from_range(kOddSizes));
  const FusedProblem narrow = problem(size, Element::bf16, kRelu, ClampQuantizerKind::mpact);
  FusedProblem wide = narrow;
  wide.layer.element = Element::f32;
  for (Bytes* bytes : {&wide.x, &wide.other, &wide.first, &wide.second})
    *bytes = encode(decode(*bytes, Element::bf16), Element::f32);
  const FusedOutputs expected = run_fused(wide), got = run_fused(narrow);
  const auto rounded = [](const Bytes& bytes) {
    return encode(decode(bytes, Element::f32), Element::bf16);
  };
  CHECK(same_bits(got.affine, expected.affine));
  CHECK(same_bits(got.y, rounded(expected.y)));
  CHECK(same_bits(got.passed, rounded(expected.passed)));
  CHECK(same_bits(got.gamma_gradient, expected.gamma_gradient));
  CHECK(same_bits(got.alpha_sums, expected.alpha_sums));
  CHECK(same_bits(got.dx_again, rounded(expected.dx_again)));
}

TEST_CASE("outputs may lie in the arrays that the header allows", "[kernels][fused]") {
  const Element element = GENERATE(Element::f32, Element::bf16);
  const FusedProblem p = problem({1400, 24}, element, kRelu6, ClampQuantizerKind::pact);
  const FusedLayer layer = p.bound();
  const ChunkRange all{0, p.chunks()};
  const FusedOutputs expected = run_fused(p);
  for (const Bytes* target : {&p.x, &p.other}) {
    Bytes y = *target;
    fused_forward_cpu(layer, target == &p.x ? y.data() : p.x.data(), expected.affine.data(),
                      target == &p.other ? y.data() : p.other.data(), y.data(), all);
    CHECK(same_bits(y, expected.y));
  }
  std::vector<GradientSums> sums(static_cast<std::size_t>(p.chunks() * layer.channels));
  std::vector<double> alpha_sums(static_cast<std::size_t>(p.chunks()));
  for (const bool into_first : {true, false}) {
    Bytes first = p.first, second = p.second;
    Bytes& passed = into_first ? first : second;
    fused_backward_sums_cpu(layer, p.x.data(), expected.affine.data(), p.other.data(),
                            {first.data(), second.data()}, sums.data(), alpha_sums.data(),
                            passed.data(), all);
    CHECK(same_bits(passed, expected.passed));
    norm_backward_cpu(layer, p.x.data(), expected.affine.data(), expected.norm.data(),
                      p.other.data(), {first.data(), second.data()}, passed.data(), passed.data(),
                      all);
    CHECK(same_bits(passed, expected.dx));
    Bytes again = into_first ? p.first : p.second;
    const ArrivingGradient gradient = into_first ? ArrivingGradient{again.data(), p.second.data()}
                                                 : ArrivingGradient{p.first.data(), again.data()};
    norm_backward_cpu(layer, p.x.data(), expected.affine.data(), expected.norm.data(),
                      p.other.data(), gradient, nullptr, again.data(), all);
    CHECK(same_bits(again, expected.dx_again));
  }
}

TEST_CASE("chunks outside the array and a missing α are a programmer's mistake",
          "[kernels][fused]") {
  const Floats x{1, 2};
  Floats y(2);
  FusedLayer layer = plain(2, 1);
  const auto forward = [&](ChunkRange chunks) {
    fused_forward_cpu(layer, x.data(), nullptr, nullptr, y.data(), chunks);
  };
  CHECK_THROWS_AS(forward({0, 2}), std::invalid_argument);
  CHECK_THROWS_AS(forward({-1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(forward({1, 0}), std::invalid_argument);
  layer.quantizer = {ClampQuantizerKind::pact, 4};
  CHECK_THROWS_AS(forward({0, 1}), std::invalid_argument);
}
