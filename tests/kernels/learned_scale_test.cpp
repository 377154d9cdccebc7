#include "kernels/learned_scale.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <stdexcept>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

struct Gradients {
  std::vector<float> x;
  std::vector<double> scale, zero_point;
};

Gradients learned(const std::vector<float>& x, const std::vector<float>& grad_y,
                  const ChannelLayout& layout, const std::vector<AffineGrid>& grids,
                  double factor = 1.0) {
  Gradients out{grad_y, std::vector<double>(grids.size()), std::vector<double>(grids.size())};
  learned_scale_backward_cpu(x.data(), out.x.data(), out.x.data(), layout, grids.data(), {}, factor,
                             out.scale.data(), out.zero_point.data());
  return out;
}

struct MaxAbsWeights {
  std::vector<AffineGrid> grids;
  std::vector<MaxAbs> max_abs;
  std::vector<float> y, grad_w;
};

MaxAbsWeights quantize(const std::vector<float>& w, const std::vector<float>& grad_y,
                       const ChannelLayout& layout, int bits) {
  const auto channels = static_cast<std::size_t>(layout.channels);
  MaxAbsWeights out{std::vector<AffineGrid>(channels), std::vector<MaxAbs>(channels),
                    std::vector<float>(w.size()), grad_y};
  max_abs_grids_cpu(w.data(), layout, bits, out.max_abs.data(), out.grids.data());
  fake_quantize_cpu(w.data(), out.y.data(), nullptr, layout, out.grids.data());
  max_abs_backward_cpu(w.data(), out.grad_w.data(), out.grad_w.data(), layout, out.max_abs.data(),
                       out.grids.data());
  return out;
}

}  // namespace

TEST_CASE("a learned scale has LSQ's gradient below, inside and above the grid",
          "[kernels][learned_scale]") {
  // Codes 0 … 3, zero point 1, step ½: the grid reaches from −½ to 1.
  const AffineGrid grid{0.5f, 1.0f, 0, 3};
  const auto of = [&](float x) { return learned({x}, {1.0f}, whole_tensor(1), {grid}); };
  CHECK(of(-2.0f).x[0] == 0.0f);
  CHECK(of(-2.0f).scale[0] == 0.0 - 1.0);
  CHECK(of(-2.0f).zero_point[0] == -0.5);
  CHECK(of(0.4f).x[0] == 1.0f);
  CHECK_THAT(of(0.4f).scale[0], WithinAbs(1.0 - 0.8, 1e-7));
  CHECK(of(0.4f).zero_point[0] == 0.0);
  CHECK(of(3.0f).x[0] == 0.0f);
  CHECK(of(3.0f).scale[0] == 3.0 - 1.0);
  CHECK(of(3.0f).zero_point[0] == -0.5);
  // A half step goes to the even neighbour; so does its residue.
  CHECK(of(0.25f).scale[0] == 0.0 - 0.5);
  CHECK(of(0.75f).scale[0] == 2.0 - 1.5);
  CHECK(std::isnan(of(kNan).scale[0]));
}

TEST_CASE("a learned scale sums LSQ's gradient over all elements", "[kernels][learned_scale]") {
  // Written down again in float64 and summed in plain order.
  const std::int64_t n = GENERATE(from_range(kSizes));
  std::mt19937 random(static_cast<unsigned>(n));
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> x(static_cast<std::size_t>(n)), grad(x.size());
  for (float& v : x) v = normal(random);
  for (float& v : grad) v = normal(random);
  const AffineGrid grid{0.3f, 2.0f, 0, 7};
  double scale = 0.0, zero_point = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = static_cast<double>(x[i]) / static_cast<double>(grid.scale);
    const double code = std::nearbyint(static_cast<double>(x[i] / grid.scale)) + 2.0;
    const bool outside = code < 0.0 || code > 7.0;
    const double q = std::clamp(code, 0.0, 7.0) - 2.0;
    scale += static_cast<double>(grad[i]) * (outside ? q : q - u);
    zero_point -= outside ? static_cast<double>(grad[i]) * static_cast<double>(grid.scale) : 0.0;
  }
  const Gradients out = learned(x, grad, whole_tensor(n), {grid}, 0.25);
  CHECK_THAT(out.scale[0], WithinAbs(0.25 * scale, 1e-9));
  CHECK_THAT(out.zero_point[0], WithinAbs(0.25 * zero_point, 1e-9));
}

TEST_CASE("learned scales per channel are those of each channel alone",
          "[kernels][learned_scale]") {
  const ChannelLayout layout =
      GENERATE(ChannelLayout{1, 3, 50}, ChannelLayout{4, 3, 7}, ChannelLayout{2, 3, 1025});
  auto x = inputs(layout.size(), 0.1f, 9), grad = inputs(layout.size(), 0.1f, 10);
  for (float& v : x) v = std::isfinite(v) ? v : 0.05f;
  for (float& v : grad) v = std::fabs(v) < 100.0f ? v : 0.1f;
  std::vector<AffineGrid> grids;
  for (int c = 0; c < 3; ++c) grids.push_back(unsigned_grid(0.1f * static_cast<float>(c + 1), 4));
  const Gradients all = learned(x, grad, layout, grids);
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    double scale = 0.0, zero_point = 0.0;
    for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
      const auto begin = (outer * 3 + channel) * layout.inner;
      const std::vector<float> part(x.begin() + begin, x.begin() + begin + layout.inner);
      const std::vector<float> part_grad(grad.begin() + begin, grad.begin() + begin + layout.inner);
      const Gradients alone = learned(part, part_grad, whole_tensor(layout.inner),
                                      {grids[static_cast<std::size_t>(channel)]});
      scale += alone.scale[0];
      zero_point += alone.zero_point[0];
      CHECK(std::equal(alone.x.begin(), alone.x.end(), all.x.begin() + begin));
    }
    CHECK(all.scale[static_cast<std::size_t>(channel)] == scale);
    CHECK(all.zero_point[static_cast<std::size_t>(channel)] == zero_point);
  }
}

TEST_CASE("the zero point's gradient is optional", "[kernels][learned_scale]") {
  const std::vector<float> x{0.4f, 3.0f}, grad{1.0f, 1.0f};
  const AffineGrid grid{0.5f, 1.0f, 0, 3};
  double scale = 0.0;
  std::vector<float> grad_x(2);
  learned_scale_backward_cpu(x.data(), grad.data(), grad_x.data(), whole_tensor(2), &grid, {}, 1.0,
                             &scale, nullptr);
  CHECK(scale == learned(x, grad, whole_tensor(2), {grid}).scale[0]);
}

TEST_CASE("the scale of max-abs weights follows the largest weight, whose gradient carries it",
          "[kernels][learned_scale]") {
  // Step 0.5: codes 1 (a tie would be 0.25), −7, 2; residues 0.2, 0, 0.4.
  const std::vector<float> w{0.4f, -3.5f, 0.8f}, grad{1.0f, 2.0f, 3.0f};
  const MaxAbsWeights out = quantize(w, grad, whole_tensor(3), 4);
  CHECK(out.grids[0].scale == 0.5f);
  CHECK(out.max_abs[0].at == 1);
  CHECK(out.y == std::vector{0.5f, -3.5f, 1.0f});
  CHECK(out.grad_w[0] == 1.0f);
  CHECK(out.grad_w[2] == 3.0f);
  CHECK_THAT(out.grad_w[1], WithinAbs(2.0 - (1.0 * 0.2 + 3.0 * 0.4) / 7.0, 1e-6));
}

TEST_CASE("max-abs weights have one grid per channel, and the first of equal maxima",
          "[kernels][learned_scale]") {
  const int bits = GENERATE(range(2, 17));
  const std::vector<float> w{1, -2, 2, 0.5f, -0.25f, 0.5f};
  const MaxAbsWeights out = quantize(w, w, {1, 2, 3}, bits);
  const auto n = static_cast<float>((1 << (bits - 1)) - 1);
  CHECK(out.max_abs[0].at == 1);
  CHECK(out.max_abs[1].at == 3);
  CHECK(out.grids[0].scale == 2.0f / n);
  CHECK(out.grids[1].scale == 0.5f / n);
  CHECK(out.grids[0].qmin == -out.grids[0].qmax);
  CHECK_THROWS_AS(quantize(w, w, {1, 2, 3}, 1), std::invalid_argument);
}

TEST_CASE("max-abs weights that are all zero pass their gradient", "[kernels][learned_scale]") {
  const std::vector<float> zeros(5, 0.0f), grad{1, 2, 3, 4, 5};
  const MaxAbsWeights out = quantize(zeros, grad, whole_tensor(5), 8);
  CHECK(out.y == zeros);
  CHECK(out.grad_w == grad);
}
