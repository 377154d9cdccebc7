#include "ptq/quantizer.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "kernels/min_max.h"
#include "kernels/moments.h"
#include "quant/kmeans.h"

namespace bitsweep::ptq {
namespace {

// Streams of random numbers (docs/numerics.md). Of weights: step is the node. Of outputs: + node,
// and step is the image.
constexpr std::uint32_t kWeightRounding = 6;
constexpr std::uint32_t kOutputRounding = 0x30000;

using config::Granularity;
using kernels::AffineGrid;
using kernels::ChannelLayout;
using quant::QuantizerSite;

// The layout that the grids are laid out for.
ChannelLayout fit(const ChannelLayout& layout, std::size_t grids) {
  if (grids == 1) return kernels::whole_tensor(layout.size());
  BITSWEEP_CHECK(static_cast<std::int64_t>(grids) == layout.channels, "{} grids for {} channels",
                 grids, layout.channels);
  return layout;
}

std::vector<Statistics> weight_statistics(const QuantizerSite& site, std::span<const float> weight,
                                          std::int64_t channels, const std::string& name) {
  const auto n = static_cast<std::int64_t>(weight.size());
  const bool per_channel = site.granularity == Granularity::channel;
  const ChannelLayout layout{1, per_channel ? channels : 1, per_channel ? n / channels : n};
  std::vector<kernels::MinMax> extremes(static_cast<std::size_t>(layout.channels));
  kernels::min_max_cpu(weight.data(), layout, extremes.data());
  std::vector<Statistics> out;
  for (const kernels::MinMax& e : extremes) {
    if (e.has_nan != 0 || !std::isfinite(e.min) || !std::isfinite(e.max)) {
      throw Diverged(fmt::format("'{}': a weight is infinite or not a number", name));
    }
    out.push_back({.min = e.min, .max = e.max});
  }
  if (!quant::needs_moments(site)) return out;
  std::vector<kernels::Moments> moments(out.size());
  kernels::moments_cpu(weight.data(), layout, moments.data());
  for (std::size_t i = 0; i < out.size(); ++i) set_moments(out[i], moments[i]);
  return out;
}

// Of structs without padding.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

bool same_draws(const std::optional<kernels::RandomStream>& a,
                const std::optional<kernels::RandomStream>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->seed == b->seed && a->stream == b->stream && a->step == b->step;
}

// Calls run(first element, layout of one image, its draws) for each image of a batch.
template <class Run>
void for_each_image(const ChannelLayout& batch, std::span<const std::int64_t> images,
                    kernels::RandomStream random, Run run) {
  BITSWEEP_CHECK(static_cast<std::int64_t>(images.size()) == batch.outer,
                 "{} positions of {} images", images.size(), batch.outer);
  const ChannelLayout image{1, batch.channels, batch.inner};
  std::int64_t first = 0;
  for (const std::int64_t position : images) {
    random.step = static_cast<std::uint32_t>(position);
    run(first, image, random);
    first += image.size();
  }
}

Quantizer on_grids(quant::Grids grids) {
  Quantizer out;
  static_cast<quant::Grids&>(out) = std::move(grids);
  return out;
}

// Calls run(first element, elements, its centroids) for each table.
template <class Run>
void for_each_table(const std::vector<std::vector<float>>& centroids, const ChannelLayout& layout,
                    Run run) {
  BITSWEEP_CHECK(layout.outer == 1, "centroids are of weights");
  const ChannelLayout fitted = fit(layout, centroids.size());
  for (std::size_t i = 0; i < centroids.size(); ++i) {
    run(static_cast<std::int64_t>(i) * fitted.inner, static_cast<std::size_t>(fitted.inner),
        centroids[i]);
  }
}

void centroid_codes(const float* x, std::int32_t* out,
                    const std::vector<std::vector<float>>& centroids, const ChannelLayout& layout) {
  for_each_table(centroids, layout, [&](std::int64_t first, std::size_t count, const auto& table) {
    quant::nearest_centroids({x + first, count}, table, {out + first, count});
  });
}

void to_centroids(float* x, const std::vector<std::vector<float>>& centroids,
                  const ChannelLayout& layout) {
  std::vector<std::int32_t> codes(static_cast<std::size_t>(layout.size()));
  centroid_codes(x, codes.data(), centroids, layout);
  for_each_table(centroids, layout, [&](std::int64_t first, std::size_t count, const auto& table) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(first) + i;
      x[at] = table[static_cast<std::size_t>(codes[at])];
    }
  });
}

// Extremes per table, as grids have them; the centroids themselves.
Quantizer clustered(const QuantizerSite& site, std::span<const float> weight,
                    const std::vector<Statistics>& statistics) {
  Quantizer out;
  const std::size_t size = weight.size() / statistics.size();
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    out.centroids.push_back(quant::kmeans_centroids(weight.subspan(i * size, size), site.bits));
    out.bits.push_back(site.bits);
    const auto lower = static_cast<float>(statistics[i].min);
    out.ranges.push_back({lower, static_cast<float>(statistics[i].max) - lower});
  }
  return out;
}

quant::Grids activation_grids(const QuantizerSite& site, const TensorStatistics& statistics) {
  if (site.granularity == Granularity::channel) {
    return quant::make_grids(site, statistics.channels);
  }
  Statistics tensor = statistics.tensor;
  // A clipping rule goes by the moments, and by the smallest element of all (facts 004 B.2.3).
  if (site.range == quant::RangeRule::sample_mean && site.clipping == "none") {
    tensor.min = statistics.sample_min;
    tensor.max = statistics.sample_max;
  }
  return quant::make_grids(site, std::span(&tensor, 1));
}

}  // namespace

bool operator==(const Quantizer& a, const Quantizer& b) {
  return a.bits == b.bits && same_bits(a.ranges, b.ranges) && same_bits(a.grids, b.grids) &&
         a.rounding == b.rounding && a.centroids == b.centroids && same_draws(a.random, b.random) &&
         same_bits(a.corrections, b.corrections) && same_bits(a.rescales, b.rescales) &&
         same_bits(a.positive_shifts, b.positive_shifts);
}

void Quantizer::apply(float* x, const ChannelLayout& layout) const {
  if (!centroids.empty()) return to_centroids(x, centroids, layout);
  const ChannelLayout fitted = fit(layout, grids.size());
  if (random) {
    kernels::fake_quantize_stochastic_cpu(x, x, nullptr, fitted, grids.data(), *random);
  } else {
    kernels::fake_quantize_cpu(x, x, nullptr, fitted, grids.data(), rounding);
  }
}

void Quantizer::apply(at::Tensor& x, std::span<const std::int64_t> images) const {
  const ChannelLayout layout{x.size(0), x.size(1), x.size(2) * x.size(3)};
  if (x.is_cpu()) {
    apply_on_cpu(x.mutable_data_ptr<float>(), layout, images);
  } else {
    apply_on_gpu(x, layout, images);
  }
  if (!positive_shifts.empty()) shift_positive(x);
}

void Quantizer::apply_on_cpu(float* x, const ChannelLayout& layout,
                             std::span<const std::int64_t> images) const {
  if (!random) return apply(x, layout);
  for_each_image(layout, images, *random,
                 [&](std::int64_t first, const ChannelLayout& image, const auto& draws) {
                   kernels::fake_quantize_stochastic_cpu(x + first, x + first, nullptr,
                                                         fit(image, grids.size()), grids.data(),
                                                         draws);
                 });
}

void Quantizer::apply_on_gpu(at::Tensor& x, const ChannelLayout& layout,
                             std::span<const std::int64_t> images) const {
  // LibTorch computes on the default stream unless told otherwise, and nobody tells it: the null
  // stream is in order with it.
  const auto bytes = static_cast<std::int64_t>(grids.size() * sizeof(AffineGrid));
  const at::Tensor host = at::empty({bytes}, at::TensorOptions(at::kByte));
  std::memcpy(host.mutable_data_ptr(), grids.data(), static_cast<std::size_t>(bytes));
  const at::Tensor on_device = host.to(x.device());
  const auto* device_grids = static_cast<const AffineGrid*>(on_device.const_data_ptr());
  float* data = x.mutable_data_ptr<float>();
  if (!random) {
    kernels::fake_quantize_cuda(data, data, nullptr, fit(layout, grids.size()), device_grids,
                                rounding, kernels::Stream{});
    return;
  }
  for_each_image(layout, images, *random,
                 [&](std::int64_t first, const ChannelLayout& image, const auto& draws) {
                   kernels::fake_quantize_stochastic_cuda(data + first, data + first, nullptr,
                                                          fit(image, grids.size()), device_grids,
                                                          draws, kernels::Stream{});
                 });
}

void Quantizer::shift_positive(at::Tensor& x) const {
  const auto channels = static_cast<std::int64_t>(positive_shifts.size());
  BITSWEEP_CHECK(channels == x.size(1), "{} shifts for {} channels", channels, x.size(1));
  const at::Tensor shifts = at::empty({1, channels, 1, 1}, at::TensorOptions(at::kFloat));
  float* values = shifts.mutable_data_ptr<float>();
  for (const double shift : positive_shifts) *values++ = static_cast<float>(shift);
  x.add_(x.gt(0).mul(shifts.to(x.device())));
}

void Quantizer::codes(const float* x, std::int32_t* out, const ChannelLayout& layout) const {
  if (!centroids.empty()) return centroid_codes(x, out, centroids, layout);
  const ChannelLayout fitted = fit(layout, grids.size());
  if (!random) return kernels::quantize_cpu(x, out, fitted, grids.data(), rounding);
  // What was drawn lies on the grid: its code is the nearest.
  std::vector<float> drawn(x, x + layout.size());
  apply(drawn.data(), layout);
  kernels::quantize_cpu(drawn.data(), out, fitted, grids.data(), rounding);
}

Quantizer weight_quantizer(const QuantizerSite& site, std::span<const float> weight,
                           std::int64_t channels, const std::string& name) {
  const std::vector<Statistics> statistics = weight_statistics(site, weight, channels, name);
  if (site.quantizer == "kmeans") return clustered(site, weight, statistics);
  Quantizer out = on_grids(quant::make_grids(site, statistics));
  if (site.stochastic) {
    out.random =
        kernels::RandomStream{site.seed, kWeightRounding, static_cast<std::uint32_t>(site.node)};
  }
  return out;
}

Detail detail_for(const QuantizerSite& site) {
  const bool channels = site.granularity == Granularity::channel;
  const bool moments = quant::needs_moments(site);
  const bool histogram = quant::needs_histogram(site);
  return {moments && !channels, moments && channels, histogram && !channels, histogram && channels};
}

Quantizer activation_quantizer(const QuantizerSite& site, const TensorStatistics& statistics) {
  Quantizer out = on_grids(activation_grids(site, statistics));
  if (site.stochastic) {
    out.random = kernels::RandomStream{site.seed,
                                       kOutputRounding + static_cast<std::uint32_t>(site.node), 0};
  }
  return out;
}

void quantize_weight(Quantizer& quantizer, const QuantizerSite& site, std::span<float> weight,
                     std::int64_t channels) {
  const ChannelLayout layout{1, channels, static_cast<std::int64_t>(weight.size()) / channels};
  if (site.bias_correction == "none") return quantizer.apply(weight.data(), layout);
  const std::vector<float> before(weight.begin(), weight.end());
  quantizer.apply(weight.data(), layout);
  quantizer.corrections = quant::weight_corrections(site.bias_correction, before, weight, channels);
  quant::apply_corrections(quantizer.corrections, weight);
}

}  // namespace bitsweep::ptq
