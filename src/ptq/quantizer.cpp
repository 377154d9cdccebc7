#include "ptq/quantizer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "kernels/min_max.h"

namespace bitsweep::ptq {
namespace {

using config::Granularity;
using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::RealRange;
using kernels::Rounding;
using quant::QuantizerSite;

RealRange between(float lower, float upper) { return {lower, upper - lower}; }

kernels::ScaleRule scale_rule(const QuantizerSite& site) {
  return site.power_of_two_scale ? kernels::ScaleRule::power_of_two : kernels::ScaleRule::any;
}

// Document 004 has two affine paths that differ in more than their ties: what is called `away` is
// the whole kernel path of facts B.1.2, `even` the vector path of B.1.1. The kernel path leaves an
// empty range alone; where a ReLU is performed, nothing of one is above 0, and the vector path's 0
// is the ReLU's.
AffineGrid affine(const QuantizerSite& site, RealRange range) {
  const bool performs_relu_on_nothing = site.half_range && !(range.length > 0.0F);
  return site.ties == config::Ties::away && !performs_relu_on_nothing
             ? kernels::anchored_affine_grid(range, site.bits, scale_rule(site))
             : kernels::affine_grid(range, site.bits, scale_rule(site));
}

AffineGrid symmetric(const QuantizerSite& site, RealRange range) {
  if (site.bits < 2) throw ConfigError("a symmetric grid of 1 bit has no code but 0: use 2 bits");
  const float upper = range.lower + range.length;
  return kernels::symmetric_grid(std::max(-range.lower, upper), site.bits,
                                 kernels::SymmetricCodes::narrow, scale_rule(site));
}

Quantizer make(const QuantizerSite& site, std::vector<RealRange> ranges) {
  BITSWEEP_CHECK(site.bits < config::kUnquantizedBits, "{} bits are no quantizer", site.bits);
  BITSWEEP_CHECK(!site.stochastic, "stochastic rounding of a post-training site");
  BITSWEEP_CHECK(site.clipping == "none", "clipping '{}'", site.clipping);
  Quantizer out;
  // A symmetric grid has no codes to spend below 0 where a ReLU is performed: it is unsigned there.
  const bool is_affine = site.quantizer == "affine" || site.half_range;
  BITSWEEP_CHECK(is_affine || site.quantizer == "symmetric", "quantizer '{}'", site.quantizer);
  for (const RealRange& range : ranges) {
    out.grids.push_back(is_affine ? affine(site, range) : symmetric(site, range));
  }
  out.ranges = std::move(ranges);
  const bool away = site.ties == config::Ties::away;
  if (is_affine) {
    out.rounding = away ? kernels::kDocument004KernelRounding : kernels::kDocument004VectorRounding;
  } else {
    out.rounding.ties = away ? kernels::Ties::away : kernels::Ties::even;
  }
  return out;
}

// The layout that the grids are laid out for.
ChannelLayout fit(const ChannelLayout& layout, std::size_t grids) {
  if (grids == 1) return kernels::whole_tensor(layout.size());
  BITSWEEP_CHECK(static_cast<std::int64_t>(grids) == layout.channels, "{} grids for {} channels",
                 grids, layout.channels);
  return layout;
}

}  // namespace

void Quantizer::apply(float* x, const ChannelLayout& layout) const {
  kernels::fake_quantize_cpu(x, x, nullptr, fit(layout, grids.size()), grids.data(), rounding);
}

void Quantizer::apply(at::Tensor& x) const {
  const ChannelLayout layout{x.size(0), x.size(1), x.size(2) * x.size(3)};
  if (x.is_cpu()) return apply(x.mutable_data_ptr<float>(), layout);
  // LibTorch computes on the default stream unless told otherwise, and nobody tells it: the null
  // stream is in order with it.
  const auto bytes = static_cast<std::int64_t>(grids.size() * sizeof(AffineGrid));
  const at::Tensor host = at::empty({bytes}, at::TensorOptions(at::kByte));
  std::memcpy(host.mutable_data_ptr(), grids.data(), static_cast<std::size_t>(bytes));
  const at::Tensor on_device = host.to(x.device());
  float* data = x.mutable_data_ptr<float>();
  kernels::fake_quantize_cuda(data, data, nullptr, fit(layout, grids.size()),
                              static_cast<const AffineGrid*>(on_device.const_data_ptr()), rounding,
                              kernels::Stream{});
}

void Quantizer::codes(const float* x, std::int32_t* out, const ChannelLayout& layout) const {
  kernels::quantize_cpu(x, out, fit(layout, grids.size()), grids.data(), rounding);
}

Quantizer weight_quantizer(const QuantizerSite& site, std::span<const float> weight,
                           std::int64_t channels, const std::string& name) {
  const auto n = static_cast<std::int64_t>(weight.size());
  const bool per_channel = site.granularity == Granularity::channel;
  const ChannelLayout layout{1, per_channel ? channels : 1, per_channel ? n / channels : n};
  std::vector<kernels::MinMax> extremes(static_cast<std::size_t>(layout.channels));
  kernels::min_max_cpu(weight.data(), layout, extremes.data());
  std::vector<RealRange> ranges;
  for (const kernels::MinMax& e : extremes) {
    if (e.has_nan != 0 || !std::isfinite(e.min) || !std::isfinite(e.max)) {
      throw Diverged(fmt::format("'{}': a weight is infinite or not a number", name));
    }
    ranges.push_back(between(e.min, e.max));
  }
  return make(site, std::move(ranges));
}

Quantizer activation_quantizer(const QuantizerSite& site, const TensorStatistics& statistics) {
  const auto range = [&](double min, double max) {
    return between(site.half_range ? 0.0F : static_cast<float>(min), static_cast<float>(max));
  };
  std::vector<RealRange> ranges;
  if (site.granularity == Granularity::channel) {
    for (const Statistics& channel : statistics.channels) {
      ranges.push_back(range(channel.min, channel.max));
    }
  } else if (site.range == quant::RangeRule::sample_mean) {
    ranges.push_back(range(statistics.sample_min, statistics.sample_max));
  } else {
    ranges.push_back(range(statistics.tensor.min, statistics.tensor.max));
  }
  return make(site, std::move(ranges));
}

}  // namespace bitsweep::ptq
