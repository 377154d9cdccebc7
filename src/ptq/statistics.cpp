#include "ptq/statistics.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "kernels/min_max.h"
#include "ptq/histograms.h"

namespace bitsweep::ptq {
namespace {

using kernels::ChannelLayout;
using kernels::MinMax;

void set_extremes(Statistics& statistics, const MinMax& extremes) {
  statistics.min = extremes.min;
  statistics.max = extremes.max;
}

// The extremes of every channel of every sample, [samples · channels], in one pass over the data.
std::vector<MinMax> row_extremes(const at::Tensor& value) {
  const std::int64_t rows = value.size(0) * value.size(1);
  const ChannelLayout layout{1, rows, value.size(2) * value.size(3)};
  std::vector<MinMax> out(static_cast<std::size_t>(rows));
  if (value.is_cpu()) {
    kernels::min_max_cpu(value.const_data_ptr<float>(), layout, out.data());
    return out;
  }
  const auto bytes = static_cast<std::int64_t>(out.size() * sizeof(MinMax));
  const at::Tensor on_device = at::empty({bytes}, value.options().dtype(at::kByte));
  kernels::min_max_cuda(value.const_data_ptr<float>(), layout,
                        static_cast<MinMax*>(on_device.mutable_data_ptr()), kernels::Stream{});
  const at::Tensor on_host = on_device.cpu();
  std::memcpy(out.data(), on_host.const_data_ptr(), static_cast<std::size_t>(bytes));
  return out;
}

// Merges rows by channel, by sample, and all.
void add_extremes(std::span<const MinMax> rows, const std::string& what, TensorStatistics& out) {
  std::vector<MinMax> by_channel(out.channels.size());
  const std::size_t samples = rows.size() / by_channel.size();
  MinMax all;
  for (std::size_t n = 0; n < samples; ++n) {
    MinMax sample;
    for (std::size_t c = 0; c < by_channel.size(); ++c) {
      const MinMax& row = rows[n * by_channel.size() + c];
      by_channel[c] = kernels::merge(by_channel[c], row);
      sample = kernels::merge(sample, row);
    }
    out.sample_min += sample.min;
    out.sample_max += sample.max;
    all = kernels::merge(all, sample);
  }
  if (all.has_nan != 0 || !std::isfinite(all.min) || !std::isfinite(all.max)) {
    throw Diverged(
        fmt::format("'{}': a value is {}", what, all.has_nan != 0 ? "not a number" : "infinite"));
  }
  out.sample_min /= static_cast<double>(samples);
  out.sample_max /= static_cast<double>(samples);
  set_extremes(out.tensor, all);
  for (std::size_t c = 0; c < by_channel.size(); ++c) set_extremes(out.channels[c], by_channel[c]);
}

// x: in host memory.
void add_channel_moments(const at::Tensor& x, TensorStatistics& out) {
  std::vector<kernels::Moments> moments(out.channels.size());
  kernels::moments_cpu(x.const_data_ptr<float>(), {x.size(0), x.size(1), x.size(2) * x.size(3)},
                       moments.data());
  for (std::size_t c = 0; c < moments.size(); ++c) set_moments(out.channels[c], moments[c]);
}

void add_tensor_moments(const at::Tensor& x, TensorStatistics& out) {
  kernels::Moments moments;
  kernels::moments_cpu(x.const_data_ptr<float>(), kernels::whole_tensor(x.numel()), &moments);
  set_moments(out.tensor, moments);
}

// out.field = fold(out.field, batch.field) for every field; extremes by their own folds.
template <class Fold, class Min, class Max>
void fold_into(TensorStatistics& out, const TensorStatistics& batch, Fold fold, Min min, Max max) {
  const auto fold_one = [&](Statistics& a, const Statistics& b) {
    a = {min(a.min, b.min),  max(a.max, b.max), fold(a.mean, b.mean),
         fold(a.std, b.std), fold(a.b, b.b),    a.histogram};
  };
  BITSWEEP_CHECK(out.channels.size() == batch.channels.size(), "{} and {} channels",
                 out.channels.size(), batch.channels.size());
  fold_one(out.tensor, batch.tensor);
  for (std::size_t c = 0; c < out.channels.size(); ++c)
    fold_one(out.channels[c], batch.channels[c]);
  out.sample_min = min(out.sample_min, batch.sample_min);
  out.sample_max = max(out.sample_max, batch.sample_max);
}

}  // namespace

void set_moments(Statistics& statistics, const kernels::Moments& moments) {
  statistics.mean = moments.mean;
  statistics.std = moments.std;
  statistics.b = moments.mean_absolute_deviation;
}

TensorStatistics statistics(const at::Tensor& value, const Detail& detail,
                            const std::string& what) {
  BITSWEEP_CHECK(value.dim() == 4 && value.is_contiguous() && value.numel() > 0, "'{}'", what);
  TensorStatistics out;
  out.channels.resize(static_cast<std::size_t>(value.size(1)));
  add_extremes(row_extremes(value), what, out);
  if (detail.moments_of_tensor || detail.moments_of_channels) {
    const at::Tensor on_host = value.cpu();
    if (detail.moments_of_channels) add_channel_moments(on_host, out);
    if (detail.moments_of_tensor) add_tensor_moments(on_host, out);
  }
  add_histograms(value, detail, out);
  return out;
}

TensorStatistics mean_over(std::span<const TensorStatistics> batches) {
  BITSWEEP_CHECK(!batches.empty(), "no batch");
  const auto n = static_cast<double>(batches.size());
  const auto add = [](double a, double b) { return a + b; };
  const auto divide = [n](double a, double) { return a / n; };
  TensorStatistics out = batches.front();
  for (const TensorStatistics& batch : batches.subspan(1)) {
    fold_into(out, batch, add, add, add);
    merge_histograms(out, batch);
  }
  fold_into(out, batches.front(), divide, divide, divide);
  return out;
}

TensorStatistics extreme_over(std::span<const TensorStatistics> batches) {
  TensorStatistics out = mean_over(batches);
  const auto keep = [](double a, double) { return a; };
  const auto min = [](double a, double b) { return std::min(a, b); };
  const auto max = [](double a, double b) { return std::max(a, b); };
  for (const TensorStatistics& batch : batches) fold_into(out, batch, keep, min, max);
  return out;
}

}  // namespace bitsweep::ptq
