#include "ptq/histograms.h"

#include <ATen/ops/zeros.h>

#include <cstring>

#include "core/check.h"
#include "kernels/histogram.h"

namespace bitsweep::ptq {
namespace {

using kernels::ChannelLayout;
using kernels::HistogramBins;
using quant::Histogram;

std::int64_t stride_for(const ChannelLayout& layout) {
  return layout.outer * layout.inner < kSampledFrom ? 1 : kSampleStride;
}

// [layout.channels · kHistogramBins] on the CPU.
std::vector<std::uint32_t> counts_of(const at::Tensor& value, const ChannelLayout& layout,
                                     std::span<const HistogramBins> bins) {
  const std::size_t size = bins.size() * static_cast<std::size_t>(kernels::kHistogramBins);
  std::vector<std::uint32_t> out(size, 0);
  const float* x = value.const_data_ptr<float>();
  if (value.is_cpu()) {
    kernels::histogram_cpu(x, layout, bins.data(), stride_for(layout), out.data());
    return out;
  }
  const auto bin_bytes = static_cast<std::int64_t>(bins.size_bytes());
  const at::Tensor host_bins = at::zeros({bin_bytes}, at::TensorOptions(at::kByte));
  std::memcpy(host_bins.mutable_data_ptr(), bins.data(), bins.size_bytes());
  const at::Tensor device_bins = host_bins.to(value.device());
  const at::Tensor device_counts =
      at::zeros({static_cast<std::int64_t>(size)}, value.options().dtype(at::kInt));
  kernels::histogram_cuda(
      x, layout, static_cast<const HistogramBins*>(device_bins.const_data_ptr()),
      stride_for(layout), static_cast<std::uint32_t*>(device_counts.mutable_data_ptr()),
      kernels::Stream{});
  const at::Tensor counts = device_counts.cpu();
  std::memcpy(out.data(), counts.const_data_ptr(), size * sizeof(std::uint32_t));
  return out;
}

// The values of one channel; value: on the CPU.
std::vector<float> values_of(const at::Tensor& value, const ChannelLayout& layout,
                             std::int64_t channel) {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(layout.outer * layout.inner));
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    const float* row =
        value.const_data_ptr<float>() + (outer * layout.channels + channel) * layout.inner;
    out.insert(out.end(), row, row + layout.inner);
  }
  return out;
}

void add(const at::Tensor& value, const ChannelLayout& layout, std::span<Statistics> statistics) {
  std::vector<HistogramBins> bins;
  for (const Statistics& s : statistics) {
    bins.push_back(kernels::histogram_bins(static_cast<float>(s.min), static_cast<float>(s.max)));
  }
  const std::vector<std::uint32_t> counts = counts_of(value, layout, bins);
  const std::size_t size = counts.size() / statistics.size();
  const bool keeps = value.numel() <= kKeptValues && stride_for(layout) == 1;
  const at::Tensor on_host = keeps ? value.cpu() : at::Tensor();
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    Statistics& s = statistics[i];
    s.histogram = std::make_shared<const Histogram>(
        static_cast<float>(s.min), static_cast<float>(s.max),
        std::span(counts).subspan(i * size, size),
        keeps ? values_of(on_host, layout, static_cast<std::int64_t>(i)) : std::vector<float>());
  }
}

std::size_t kept(std::span<const Statistics> statistics) {
  std::size_t out = 0;
  for (const Statistics& s : statistics) out += s.histogram ? s.histogram->values().size() : 0;
  return out;
}

// One entry a channel.
void merge(std::span<Statistics> into, std::span<const Statistics> from) {
  const bool keeps = kept(into) + kept(from) <= static_cast<std::size_t>(kKeptValues);
  for (std::size_t i = 0; i < into.size(); ++i) {
    if (!from[i].histogram) continue;
    if (!into[i].histogram) {
      into[i].histogram = from[i].histogram;
      continue;
    }
    auto joined = std::make_shared<Histogram>(*into[i].histogram);
    joined->merge(*from[i].histogram);
    if (!keeps) joined->forget_values();
    into[i].histogram = std::move(joined);
  }
}

}  // namespace

void add_histograms(const at::Tensor& value, const Detail& detail, TensorStatistics& out) {
  if (detail.histogram_of_tensor) {
    add(value, kernels::whole_tensor(value.numel()), std::span(&out.tensor, 1));
  }
  if (detail.histogram_of_channels) {
    add(value, {value.size(0), value.size(1), value.size(2) * value.size(3)}, out.channels);
  }
}

void merge_histograms(TensorStatistics& into, const TensorStatistics& from) {
  BITSWEEP_CHECK(into.channels.size() == from.channels.size(), "{} and {} channels",
                 into.channels.size(), from.channels.size());
  merge(std::span(&into.tensor, 1), std::span(&from.tensor, 1));
  merge(into.channels, from.channels);
}

void forget_histograms(TensorStatistics& statistics) {
  statistics.tensor.histogram = nullptr;
  for (Statistics& channel : statistics.channels) channel.histogram = nullptr;
}

}  // namespace bitsweep::ptq
