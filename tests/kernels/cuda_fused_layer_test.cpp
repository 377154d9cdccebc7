// The CUDA kernels of the fused layers against the CPU. Element by element they are equal; sums
// over rows are taken in another order within a chunk, and so are compared within float32 rounding.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "device_array.h"
#include "fused_problem.h"
#include "kernels/device.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

struct Size {
  std::int64_t rows, channels;
};
const std::vector<Size> kSizes{{1, 1},     {17, 1},    {40000, 1}, {11000, 3},
                               {2050, 16}, {1400, 24}, {111, 300}, {2, 16385}};

// Of the summed magnitudes: float32 sums over a chunk's 64 blocks.
constexpr double kShare = 1e-5;

FusedProblem problem(Size size, Element element) {
  const auto nonlinearity =
      GENERATE(kIdentity, kRelu, kRelu6, kHardSwish, kHardSigmoid, kHardSigmoidFifth);
  const auto quantizer =
      GENERATE(ClampQuantizerKind::none, ClampQuantizerKind::dorefa_clamp,
               ClampQuantizerKind::pact_fixed, ClampQuantizerKind::pact, ClampQuantizerKind::mpact);
  return {size.rows, size.channels, element, nonlinearity, {quantizer, 6, 0.3f, 1.2f}};
}

// The problem's arrays on the device, and its layer with α there.
struct OnDevice {
  explicit OnDevice(const FusedProblem& p)
      : alpha({p.alpha}), x(p.x), other(p.other), first(p.first), second(p.second), layer(p.layer) {
    layer.alpha = alpha.get();
  }
  ArrivingGradient gradient() const { return {first.get(), second.get()}; }

  DeviceArray<float> alpha;
  DeviceArray<std::byte> x, other, first, second;
  FusedLayer layer;
};

// Equal as numbers: −0 is 0.
bool equal(const Bytes& a, const Bytes& b, Element element) {
  return decode(a, element) == decode(b, element);
}

double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

}  // namespace

TEST_CASE("fused layers give the same values and gradients on the GPU as on the CPU",
          "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const Size size = GENERATE(from_range(kSizes));
  const Element element = GENERATE(Element::f32, Element::bf16);
  const FusedProblem p = problem(size, element);
  CAPTURE(size.rows, size.channels, static_cast<int>(p.layer.quantizer.kind),
          static_cast<int>(p.layer.nonlinearity.kind));
  const FusedOutputs expected = run_fused(p);
  const OnDevice device(p);
  const DeviceArray<NormAffine> affine(expected.affine);
  const DeviceArray<NormGradient> norm(expected.norm);
  const DeviceArray<std::byte> y(p.x), passed(p.x), dx(p.x), dx_again(p.x);
  const auto sums = static_cast<std::size_t>(p.chunks() * p.layer.channels);
  const DeviceArray<GradientSums> gradient_sums(std::vector<GradientSums>(sums, {7.0, 7.0}));
  const DeviceArray<double> alpha_sums(
      std::vector<double>(static_cast<std::size_t>(p.chunks()), 7.0));
  fused_forward_cuda(device.layer, device.x.get(), affine.get(), device.other.get(), y.get(),
                     Stream{});
  CHECK(equal(y.host(), expected.y, element));
  fused_backward_sums_cuda(device.layer, device.x.get(), affine.get(), device.other.get(),
                           device.gradient(), gradient_sums.get(), alpha_sums.get(), passed.get(),
                           Stream{});
  CHECK(equal(passed.host(), expected.passed, element));
  norm_backward_cuda(device.layer, device.x.get(), affine.get(), norm.get(), device.other.get(),
                     device.gradient(), passed.get(), dx.get(), Stream{});
  CHECK(equal(dx.host(), expected.dx, element));
  norm_backward_cuda(device.layer, device.x.get(), affine.get(), norm.get(), device.other.get(),
                     device.gradient(), nullptr, dx_again.get(), Stream{});
  CHECK(equal(dx_again.host(), expected.dx_again, element));

  // Each element adds at most the gradient that arrives at it.
  double magnitude = 0;
  const auto first = decode(p.first, element), second = decode(p.second, element);
  for (std::size_t i = 0; i < first.size(); ++i) magnitude += std::abs(first[i] + second[i]);
  const DeviceArray<float> alpha_gradient(std::vector<float>{7.0f});
  alpha_gradient_cuda(alpha_sums.get(), p.chunks(), alpha_gradient.get(), Stream{});
  CHECK(std::abs(total(alpha_sums.host()) - expected.alpha_gradient()) <= kShare * (1 + magnitude));
  CHECK(alpha_gradient.host()[0] == static_cast<float>(total(alpha_sums.host())));
}

TEST_CASE("batch norms have the same statistics and gradients on the GPU as on the CPU",
          "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const Size size = GENERATE(from_range(kSizes));
  const Element element = GENERATE(Element::f32, Element::bf16);
  CAPTURE(size.rows, size.channels);
  const FusedProblem p{size.rows, size.channels, element, kRelu, {ClampQuantizerKind::none}};
  const FusedOutputs expected = run_fused(p);
  const OnDevice device(p);
  const auto channels = static_cast<std::size_t>(size.channels);
  const auto count = static_cast<std::size_t>(p.chunks()) * channels;
  const DeviceArray<float> pivots(std::vector<float>(channels, 7.0f)), gamma(p.gamma), beta(p.beta),
      running_mean(std::vector<float>(channels, 0.5f)),
      running_var(std::vector<float>(channels, 2.0f)),
      gamma_gradient(std::vector<float>(channels, 7.0f)),
      beta_gradient(std::vector<float>(channels, 7.0f));
  const DeviceArray<double> share({0.1});
  const DeviceArray<NormSums> sums(std::vector<NormSums>(count, {7.0, 7.0}));
  const DeviceArray<GradientSums> gradients(std::vector<GradientSums>(count, {7.0, 7.0}));
  const DeviceArray<NormAffine> affine(std::vector<NormAffine>(channels, {7, 7, 7, 7}));
  const DeviceArray<NormGradient> norm(std::vector<NormGradient>(channels, {7, 7, 7}));
  const NormParameters parameters{gamma.get(), beta.get(), running_mean.get(), running_var.get(),
                                  p.eps};
  norm_pivots_cuda(device.layer, device.x.get(), pivots.get(), Stream{});
  norm_sums_cuda(device.layer, device.x.get(), pivots.get(), sums.get(), Stream{});
  norm_finish_cuda(device.layer, sums.get(), pivots.get(), parameters, share.get(), affine.get(),
                   Stream{});
  fused_backward_sums_cuda(device.layer, device.x.get(), affine.get(), device.other.get(),
                           device.gradient(), gradients.get(), nullptr, nullptr, Stream{});
  norm_gradient_finish_cuda(device.layer, gradients.get(), affine.get(), gamma.get(), true,
                            gamma_gradient.get(), beta_gradient.get(), norm.get(), Stream{});
  const std::vector<NormAffine> got = affine.host();
  const std::vector<float> mean = running_mean.host(), variance = running_var.host(),
                           of_gamma = gamma_gradient.host(), of_beta = beta_gradient.host();
  const double magnitude = 4.0 * static_cast<double>(size.rows);  // of Σ |g|, Σ |g·x̂|
  const auto near = [](float a, float b, double size_of_terms) {
    return std::abs(static_cast<double>(a) - b) <= kShare * std::max(1.0, size_of_terms);
  };
  bool same = true;
  for (std::size_t c = 0; c < channels; ++c) {
    const NormAffine& want = expected.affine[c];
    same &= near(got[c].mean, want.mean, 1);
    same &= near(got[c].scale, want.scale, std::abs(want.scale));
    same &= near(got[c].shift, want.shift, std::abs(want.mean * want.scale));
    same &= near(mean[c], expected.running_mean[c], 1);
    same &= near(variance[c], expected.running_var[c], std::abs(expected.running_var[c]));
    same &= near(of_gamma[c], expected.gamma_gradient[c], magnitude);
    same &= near(of_beta[c], expected.beta_gradient[c], magnitude);
  }
  CHECK(same);

  norm_evaluate_cuda(size.channels, parameters, affine.get(), Stream{});
  std::vector<float> mean_then = mean, variance_then = variance;
  std::vector<NormAffine> evaluated(channels);
  norm_evaluate_cpu(size.channels,
                    {p.gamma.data(), p.beta.data(), mean_then.data(), variance_then.data(), p.eps},
                    evaluated.data());
  const std::vector<NormAffine> on_device = affine.host();
  bool equal_affine = true;
  for (std::size_t c = 0; c < channels; ++c) {
    equal_affine &= on_device[c].scale == evaluated[c].scale;
    equal_affine &= on_device[c].shift == evaluated[c].shift;
  }
  CHECK(equal_affine);
}
