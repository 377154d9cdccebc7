// The CUDA kernels of the quantizers of training against the CPU, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"
#include "device_array.h"
#include "kernels/device.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/learned_scale.h"
#include "kernels/min_max.h"
#include "kernels/weight_quantizer.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

std::vector<float> finite_inputs(std::int64_t n, float step, unsigned seed) {
  auto x = inputs(n, step, seed);
  for (float& v : x) v = std::fabs(v) < 100.0f ? v : 0.5f * step;
  return x;
}

const std::vector<ChannelLayout> kLayouts{{1, 1, 1},     {1, 1, 1023}, {1, 1, 1 << 18}, {1, 64, 9},
                                          {1, 16, 2305}, {4, 3, 49},   {1, 9000, 3}};

}  // namespace

TEST_CASE("weights are quantized to the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const std::int64_t n = GENERATE(1, 2, 33, 1023, 1025, 36864, 300000);
  const float step = GENERATE(0.0f, 0.01f, 0.4f);
  const WeightQuantizer quantizer{
      GENERATE(WeightQuantizerKind::tanh_symmetric, WeightQuantizerKind::dorefa),
      GENERATE(1, 2, 3, 8, 16)};
  CAPTURE(n, step, quantizer.bits);
  const auto w = finite_inputs(n, step, 1), grad = finite_inputs(n, 0.1f, 2);
  std::vector<float> w_q(w.size()), grad_w(w.size());
  std::vector<double> tanh_w(w.size());
  std::vector<std::int32_t> codes(w.size());
  std::vector<WeightQuantizerState> state(1);
  quantize_weights_cpu(w.data(), w_q.data(), tanh_w.data(), n, quantizer, state.data());
  quantize_weights_backward_cpu(w.data(), tanh_w.data(), grad.data(), grad_w.data(), n, quantizer,
                                state[0]);
  weight_codes_cpu(tanh_w.data(), codes.data(), n, quantizer, state[0]);

  const DeviceArray<float> device_w(w), device_w_q(grad), device_grad(grad);
  const DeviceArray<double> device_tanh(std::vector<double>(w.size(), 7.0));
  const DeviceArray<std::int32_t> device_codes(std::vector<std::int32_t>(w.size(), 7));
  const DeviceArray<WeightQuantizerState> device_state({WeightQuantizerState{7.0, 7, 7.0}});
  quantize_weights_cuda(device_w.get(), device_w_q.get(), device_tanh.get(), n, quantizer,
                        device_state.get(), Stream{});
  weight_codes_cuda(device_tanh.get(), device_codes.get(), n, quantizer, device_state.get(),
                    Stream{});
  quantize_weights_backward_cuda(device_w.get(), device_tanh.get(), device_grad.get(),
                                 device_grad.get(), n, quantizer, device_state.get(), Stream{});
  CHECK(same_bits(device_tanh.host(), tanh_w));
  CHECK(same_bits(device_state.host(), state));
  CHECK(same_bits(device_w_q.host(), w_q));
  CHECK(same_bits(device_codes.host(), codes));
  CHECK(same_bits(device_grad.host(), grad_w));
}

TEST_CASE("learned scales have the same gradients on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const Rounding rounding = GENERATE(Rounding{}, kTorchRounding);
  CAPTURE(layout.outer, layout.channels, layout.inner);
  const auto x = finite_inputs(layout.size(), 0.05f, 3);
  const auto grad = finite_inputs(layout.size(), 0.1f, 4);
  const auto channels = static_cast<std::size_t>(layout.channels);
  const std::vector<AffineGrid> grids(channels, unsigned_grid(0.07f, 4));
  std::vector<float> grad_x(x.size());
  std::vector<double> scale(channels), zero_point(channels);
  learned_scale_backward_cpu(x.data(), grad.data(), grad_x.data(), layout, grids.data(), rounding,
                             0.1, scale.data(), zero_point.data());

  const DeviceArray<float> device_x(x), device_grad(grad);
  const DeviceArray<AffineGrid> device_grids(grids);
  const DeviceArray<double> device_scale(std::vector<double>(channels, 7.0)),
      device_zero_point(std::vector<double>(channels, 7.0));
  learned_scale_backward_cuda(device_x.get(), device_grad.get(), device_grad.get(), layout,
                              device_grids.get(), rounding, 0.1, device_scale.get(),
                              device_zero_point.get(), Stream{});
  CHECK(same_bits(device_grad.host(), grad_x));
  CHECK(same_bits(device_scale.host(), scale));
  CHECK(same_bits(device_zero_point.host(), zero_point));
}

TEST_CASE("max-abs weights have the same grids and gradients on the GPU as on the CPU",
          "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  CAPTURE(layout.outer, layout.channels, layout.inner);
  const auto w = finite_inputs(layout.size(), 0.05f, 5);
  const auto grad = finite_inputs(layout.size(), 0.1f, 6);
  const auto channels = static_cast<std::size_t>(layout.channels);
  std::vector<AffineGrid> grids(channels);
  std::vector<MaxAbs> max_abs(channels);
  std::vector<float> grad_w(w.size());
  max_abs_grids_cpu(w.data(), layout, 4, max_abs.data(), grids.data());
  max_abs_backward_cpu(w.data(), grad.data(), grad_w.data(), layout, max_abs.data(), grids.data());

  const DeviceArray<float> device_w(w), device_grad(grad);
  const DeviceArray<AffineGrid> device_grids(std::vector<AffineGrid>(channels, AffineGrid{}));
  const DeviceArray<MaxAbs> device_max_abs(std::vector<MaxAbs>(channels, MaxAbs{}));
  max_abs_grids_cuda(device_w.get(), layout, 4, device_max_abs.get(), device_grids.get(), Stream{});
  max_abs_backward_cuda(device_w.get(), device_grad.get(), device_grad.get(), layout,
                        device_max_abs.get(), device_grids.get(), Stream{});
  const auto device_maxima = device_max_abs.host();
  const auto host_grids = device_grids.host();
  for (std::size_t c = 0; c < channels; ++c) {
    CHECK(device_maxima[c].value == max_abs[c].value);
    CHECK(device_maxima[c].at == max_abs[c].at);
    CHECK(host_grids[c].scale == grids[c].scale);
  }
  CHECK(same_bits(device_grad.host(), grad_w));
}

TEST_CASE("gradients are quantized to the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const GradientQuantizer quantizer{GENERATE(2, 8), GENERATE(true, false)};
  const auto g = finite_inputs(layout.size(), 0.05f, 7);
  const RandomStream random{1ull << 40, 3, 17};
  std::vector<MinMax> extremes(static_cast<std::size_t>(layout.channels));
  min_max_cpu(g.data(), layout, extremes.data());
  std::vector<float> expected(g.size());
  quantize_gradients_cpu(g.data(), expected.data(), random, layout, extremes.data(), quantizer);
  const DeviceArray<float> g_q(g);
  const DeviceArray<MinMax> device_extremes(extremes);
  quantize_gradients_cuda(g_q.get(), g_q.get(), random, layout, device_extremes.get(), quantizer,
                          Stream{});
  CHECK(same_bits(g_q.host(), expected));
}
