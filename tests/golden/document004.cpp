#include "document004.h"

#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"
#include "kernels/moments.h"

namespace bitsweep::golden {
namespace {

constexpr int kWidestAllocated = 4;

Json one_or_array(const std::vector<float>& values) {
  if (values.size() == 1) return values.front();
  return pack(values, {static_cast<std::int64_t>(values.size())});
}

Json call_of(const quant::QuantizerSite& site, const quant::Grids& grids) {
  std::vector<float> delta, offset;
  for (const kernels::RealRange& range : grids.ranges) {
    delta.push_back(range.length);
    offset.push_back(range.lower);
  }
  const bool kernel = site.ties == config::Ties::away;
  Json out = {{"path", kernel ? "kernel" : "vector"},
              {"delta", one_or_array(delta)},
              // The peer gives one offset where all are equal by rule.
              {"offset", site.half_range ? Json(0.0) : one_or_array(offset)},
              {"bits", site.bits}};
  if (site.is_allocated()) {
    out["bits"] = pack(grids.bits, {static_cast<std::int64_t>(grids.bits.size())});
  }
  if (kernel) out["preserve_zero"] = offset[0] < 0 && offset[0] + delta[0] > 0;
  return out;
}

}  // namespace

Tensor read_tensor(const Case& golden, const char* name) {
  const Array array = golden.input(name);
  return {array.floats(), array.shape};
}

kernels::ChannelLayout weight_layout(const Tensor& w) {
  return {1, w.shape.at(0), w.size() / w.shape.at(0)};
}

std::vector<quant::Statistics> statistics_of(const Tensor& x,
                                             const kernels::ChannelLayout& layout) {
  const auto n = static_cast<std::size_t>(layout.channels);
  std::vector<kernels::MinMax> extremes(n);
  std::vector<kernels::Moments> moments(n);
  kernels::min_max_cpu(x.values.data(), layout, extremes.data());
  kernels::moments_cpu(x.values.data(), layout, moments.data());
  std::vector<quant::Statistics> out;
  for (std::size_t c = 0; c < n; ++c) {
    out.push_back({.min = extremes[c].min,
                   .max = extremes[c].max,
                   .mean = moments[c].mean,
                   .std = moments[c].std,
                   .b = moments[c].mean_absolute_deviation});
  }
  return out;
}

std::string clipping(const Case& golden) {
  const std::string word = golden.params.value("clipping", "no");
  if (word == "no") return "none";
  if (word == "gaus") return "gauss";
  if (word.ends_with("std")) return "std:" + word.substr(0, word.size() - 3);
  return word;
}

void allocate(const Case& golden, const char* flag, quant::QuantizerSite& site) {
  if (!golden.params.value(flag, false) || site.bits > kWidestAllocated) return;
  site.allocation = {"round", golden.params.value("prior", "std"), static_cast<double>(site.bits),
                     config::ZeroBits::lower_end};
}

Quantized quantized(const Tensor& x, const kernels::ChannelLayout& layout,
                    const quant::QuantizerSite& site,
                    const std::vector<quant::Statistics>& statistics) {
  const quant::Grids grids = quant::make_grids(site, statistics);
  Quantized out{x, call_of(site, grids)};
  kernels::fake_quantize_cpu(x.values.data(), out.y.values.data(), nullptr,
                             grids.grids.size() == 1 ? kernels::whole_tensor(x.size()) : layout,
                             grids.grids.data(), grids.rounding);
  return out;
}

}  // namespace bitsweep::golden
