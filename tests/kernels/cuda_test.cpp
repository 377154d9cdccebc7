// The CUDA kernels against the CPU, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"
#include "device_array.h"
#include "kernels/device.h"
#include "kernels/histogram.h"
#include "kernels/min_max.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

const std::vector<ChannelLayout> kLayouts{{1, 1, 1}, {1, 1, 31},  {1, 1, 33},    {1, 1, 1 << 20},
                                          {2, 3, 5}, {4, 64, 49}, {1, 70000, 2}, {3, 5, 257}};

std::vector<AffineGrid> grids_for(const ChannelLayout& layout, int bits) {
  std::vector<AffineGrid> out;
  for (int c = 0; c < layout.channels; ++c)
    out.push_back(unsigned_grid(0.05f * static_cast<float>(c % 9 + 1), bits));
  return out;
}

}  // namespace

TEST_CASE("fake_quantize gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const int bits = GENERATE(1, 4, 8);
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  CAPTURE(layout.outer, layout.channels, layout.inner, bits, to_string(rounding));
  const auto x = inputs(layout.size(), 0.1f, static_cast<unsigned>(layout.size()));
  const auto grids = grids_for(layout, bits);
  const auto expected = fake_quantize(x, layout, grids, rounding);
  std::vector<std::int32_t> expected_codes(x.size());
  quantize_cpu(x.data(), expected_codes.data(), layout, grids.data(), rounding);

  const DeviceArray<float> y(x);  // in place
  const DeviceArray<std::int32_t> codes(expected_codes);
  const DeviceArray<std::uint32_t> mask(std::vector<std::uint32_t>(expected.mask.size(), 0xdead));
  const DeviceArray<AffineGrid> device_grids(grids);
  quantize_cuda(y.get(), codes.get(), layout, device_grids.get(), rounding, Stream{});
  fake_quantize_cuda(y.get(), y.get(), mask.get(), layout, device_grids.get(), rounding, Stream{});
  CHECK(same_bits(y.host(), expected.y));
  CHECK(same_bits(mask.host(), expected.mask));
  CHECK(codes.host() == expected_codes);
}

TEST_CASE("one grid by value equals one grid in device memory", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const auto x = inputs(1000, 0.1f, 4);
  const AffineGrid grid = unsigned_grid(0.1f, 4);
  const DeviceArray<float> y(x);
  fake_quantize_cuda(y.get(), y.get(), nullptr, 1000, grid, {}, Stream{});
  CHECK(same_bits(y.host(), fake_quantize(x, grid).y));
}

TEST_CASE("stochastic rounding gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const auto x = inputs(layout.size(), 0.1f, 8);
  const auto grids = grids_for(layout, 4);
  const RandomStream random{1ull << 40, 3, 17};
  std::vector<float> expected(x.size());
  fake_quantize_stochastic_cpu(x.data(), expected.data(), nullptr, layout, grids.data(), random);
  const DeviceArray<float> y(x);
  const DeviceArray<AffineGrid> device_grids(grids);
  fake_quantize_stochastic_cuda(y.get(), y.get(), nullptr, layout, device_grids.get(), random,
                                Stream{});
  CHECK(same_bits(y.host(), expected));
}

TEST_CASE("min_max gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const auto x = inputs(layout.size(), 0.1f, 15);
  std::vector<MinMax> expected(static_cast<std::size_t>(layout.channels));
  min_max_cpu(x.data(), layout, expected.data());
  const DeviceArray<float> device_x(x);
  const DeviceArray<MinMax> extremes(expected);
  min_max_cuda(device_x.get(), layout, extremes.get(), Stream{});
  CHECK(same_bits(extremes.host(), expected));
}

TEST_CASE("optimizer steps give the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const std::int64_t n = GENERATE(1, 257, 1 << 20);
  const bool nesterov = GENERATE(false, true);
  std::mt19937 random(static_cast<unsigned>(n));
  std::normal_distribution<float> normal;
  std::vector<float> p(static_cast<std::size_t>(n)), g(p.size());
  for (float& v : p) v = normal(random);
  for (float& v : g) v = normal(random);
  const SgdOptions sgd{.momentum = 0.9f, .weight_decay = 5e-4f, .nesterov = nesterov};
  const AdamOptions adam{.weight_decay = 5e-4};
  std::vector<float> sgd_p = p, sgd_m(p.size()), adam_p = p, adam_m(p.size()), adam_v(p.size());
  const DeviceArray<float> device_g(g), device_sgd_p(sgd_p), device_sgd_m(sgd_m),
      device_adam_p(adam_p), device_adam_m(adam_m), device_adam_v(adam_v),
      device_lr(std::vector<float>{0.01f});
  for (std::int64_t step = 1; step <= 5; ++step) {
    const float lr = 0.01f;
    sgd_step_cpu(sgd_p.data(), sgd_m.data(), g.data(), n, sgd, &lr);
    adam_step_cpu(adam_p.data(), adam_m.data(), adam_v.data(), g.data(), n, adam, &lr, &step);
    const DeviceArray<std::int64_t> device_step(std::vector<std::int64_t>{step});
    sgd_step_cuda(device_sgd_p.get(), device_sgd_m.get(), device_g.get(), n, sgd, device_lr.get(),
                  Stream{});
    adam_step_cuda(device_adam_p.get(), device_adam_m.get(), device_adam_v.get(), device_g.get(), n,
                   adam, device_lr.get(), device_step.get(), Stream{});
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);  // before device_step goes
  }
  CHECK(same_bits(device_sgd_p.host(), sgd_p));
  CHECK(same_bits(device_sgd_m.host(), sgd_m));
  CHECK(same_bits(device_adam_p.host(), adam_p));
  CHECK(same_bits(device_adam_m.host(), adam_m));
  CHECK(same_bits(device_adam_v.host(), adam_v));
}

TEST_CASE("the loss on the GPU is the CPU's to float64 rounding", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const std::int64_t classes = GENERATE(1, 10, 1000);
  const std::int64_t rows = GENERATE(1, 128, 700);
  const double smoothing = GENERATE(0.0, 0.1);
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<float> logits(static_cast<std::size_t>(rows * classes)), grad(logits.size());
  for (float& v : logits) v = normal(random);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (auto& label : labels)
    label = static_cast<std::int32_t>(random() % static_cast<unsigned>(classes));
  LossSum expected{};
  softmax_loss_cpu(logits.data(), labels.data(), rows, classes, smoothing, grad.data(), &expected);

  const DeviceArray<float> device_logits(logits), device_grad(std::vector<float>(logits.size()));
  const DeviceArray<std::int32_t> device_labels(labels);
  const DeviceArray<LossSum> out(std::vector<LossSum>(1)), again(std::vector<LossSum>(1));
  for (LossSum* target : {out.get(), again.get()})
    softmax_loss_cuda(device_logits.get(), device_labels.get(), rows, classes, smoothing,
                      device_grad.get(), target, Stream{});
  const LossSum got = out.host()[0];
  // exp and log differ by an ulp of float64 at most (CUDA's table of accuracies, glibc's manual).
  CHECK(std::abs(got.loss - expected.loss) <= 1e-13 * std::abs(expected.loss) + 1e-13);
  CHECK(got.correct == expected.correct);
  CHECK(again.host()[0].loss == got.loss);
  const auto device = device_grad.host();
  for (std::size_t i = 0; i < grad.size(); ++i)
    if (std::abs(device[i] - grad[i]) > 1.2e-7f * std::abs(grad[i]) + 1e-12f)
      FAIL("gradient " << i << ": " << device[i] << " against " << grad[i]);
}

TEST_CASE("histogram counts the same on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const std::int64_t stride = GENERATE(1, 4);
  const auto x = inputs(layout.size(), 0.1f, static_cast<unsigned>(layout.size()));
  const auto channels = static_cast<std::size_t>(layout.channels);
  if (channels > 1000) return;  // 2048 counters a channel
  std::vector<MinMax> extremes(channels);
  min_max_cpu(x.data(), layout, extremes.data());
  std::vector<HistogramBins> bins;
  for (const MinMax& e : extremes) bins.push_back(histogram_bins(e.min, e.max));
  std::vector<std::uint32_t> expected(channels * kHistogramBins, 0);
  const DeviceArray<std::uint32_t> counts(expected);
  histogram_cpu(x.data(), layout, bins.data(), stride, expected.data());
  const DeviceArray<float> device_x(x);
  const DeviceArray<HistogramBins> device_bins(bins);
  histogram_cuda(device_x.get(), layout, device_bins.get(), stride, counts.get(), Stream{});
  CHECK(counts.host() == expected);
}
