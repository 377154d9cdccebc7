// The quantizers of document 004 without clipping and bit allocation: weights, activations, logits.
#include <algorithm>

#include "core/error.h"
#include "golden.h"
#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"
#include "kernels/range_math.h"

namespace bitsweep::golden {
namespace {

using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::MinMax;
using kernels::RealRange;

struct Tensor {
  std::vector<float> values;
  std::vector<std::int64_t> shape;

  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
};

Tensor read_tensor(const Case& golden, const char* name) {
  const Array array = golden.input(name);
  return {array.floats(), array.shape};
}

std::vector<MinMax> extremes(const Tensor& x, const ChannelLayout& layout) {
  std::vector<MinMax> out(static_cast<std::size_t>(layout.channels));
  kernels::min_max_cpu(x.values.data(), layout, out.data());
  return out;
}

Json fake_quantized(const Tensor& x, const ChannelLayout& layout,
                    const std::vector<AffineGrid>& grids, kernels::Rounding rounding) {
  std::vector<float> y(x.values.size());
  kernels::fake_quantize_cpu(x.values.data(), y.data(), nullptr, layout, grids.data(), rounding);
  return pack(y, x.shape);
}

// Facts B.1.2: per tensor, ties away.
Json kernel_path(const Tensor& x, RealRange range, int bits) {
  const bool zero_inside = range.lower < 0.0f && range.lower + range.length > 0.0f;
  return {{"y", fake_quantized(x, kernels::whole_tensor(x.size()),
                               {kernels::anchored_affine_grid(range, bits)},
                               kernels::kDocument004KernelRounding)},
          {"quantizer_call",
           {{{"path", "kernel"},
             {"delta", range.length},
             {"offset", range.lower},
             {"bits", bits},
             {"preserve_zero", zero_inside}}}}};
}

// Facts B.1.1: a range per channel, ties to even.
Json vector_path(const Tensor& x, const ChannelLayout& layout, const std::vector<RealRange>& ranges,
                 int bits) {
  std::vector<AffineGrid> grids;
  std::vector<float> delta, offset;
  for (const RealRange& range : ranges) {
    grids.push_back(kernels::affine_grid(range, bits));
    delta.push_back(range.length);
    offset.push_back(range.lower);
  }
  // The peer gives one offset where all are equal by rule (half range).
  const bool one_offset =
      std::all_of(offset.begin(), offset.end(), [](float value) { return value == 0.0f; });
  return {{"y", fake_quantized(x, layout, grids, kernels::kDocument004VectorRounding)},
          {"quantizer_call",
           {{{"path", "vector"},
             {"delta", pack(delta, {layout.channels})},
             {"offset", one_offset ? Json(0.0) : pack(offset, {layout.channels})},
             {"bits", bits}}}}};
}

RealRange between(float lower, float upper) { return {lower, upper - lower}; }

RealRange whole_range(const Tensor& x) {
  const MinMax all = kernels::min_max_cpu(x.values.data(), x.size());
  return between(all.min, all.max);
}

std::vector<RealRange> channel_ranges(const Tensor& x, const ChannelLayout& layout,
                                      bool half_range) {
  std::vector<RealRange> out;
  for (const MinMax& channel : extremes(x, layout))
    out.push_back(between(half_range ? 0.0f : channel.min, channel.max));
  return out;
}

// Mean over samples of each sample's extremes.
RealRange sample_mean_range(const Tensor& x, bool half_range) {
  const std::int64_t samples = x.shape.at(0);
  double lower = 0.0, upper = 0.0;
  for (const MinMax& sample : extremes(x, {1, samples, x.size() / samples})) {
    lower += sample.min;
    upper += sample.max;
  }
  const auto n = static_cast<double>(samples);
  return between(half_range ? 0.0f : static_cast<float>(lower / n), static_cast<float>(upper / n));
}

Json core(const Case& golden) {
  const Tensor x = read_tensor(golden, "x");
  return vector_path(x, kernels::whole_tensor(x.size()),
                     {{golden.get<float>("offset"), golden.get<float>("delta")}},
                     golden.get<int>("bits"));
}

Json kernel(const Case& golden) {
  return kernel_path(read_tensor(golden, "x"),
                     {golden.get<float>("offset"), golden.get<float>("delta")},
                     golden.get<int>("bits"));
}

Json weights_per_channel(const Case& golden) {
  const Tensor w = read_tensor(golden, "w");
  const ChannelLayout layout{1, w.shape.at(0), w.size() / w.shape.at(0)};
  return vector_path(w, layout, channel_ranges(w, layout, false), golden.get<int>("bits"));
}

Json weights_per_tensor(const Case& golden) {
  const Tensor w = read_tensor(golden, "w");
  return kernel_path(w, whole_range(w), golden.get<int>("bits"));
}

Json activation(const Case& golden) {
  const Tensor x = read_tensor(golden, "x");
  const bool half_range = golden.get<bool>("half_range");
  const int bits = golden.get<int>("bits");
  const std::int64_t batch = x.shape.at(0), channels = x.shape.at(1);
  const std::int64_t pixels = x.size() / (batch * channels);
  // One pixel per channel is always quantized per tensor (facts B.1.3).
  if (!golden.get<bool>("per_channel") || pixels == 1)
    return kernel_path(x, sample_mean_range(x, half_range), bits);
  const ChannelLayout layout{batch, channels, pixels};
  return vector_path(x, layout, channel_ranges(x, layout, half_range), bits);
}

Json classifier(const Case& golden) {
  const Tensor x = read_tensor(golden, "x");
  return kernel_path(x, whole_range(x), golden.get<int>("bits"));
}

bool without_refinements(const Case& golden) {
  return golden.params.value("clipping", "no") == "no" &&
         !golden.params.value("bit_allocation", false);
}

}  // namespace

void register_document004_quantizers(Handlers& handlers) {
  const char* topic = "cnnq_quantizers";
  handlers.add({topic, {"core"}, nullptr, core});
  handlers.add({topic, {"kernel"}, nullptr, kernel});
  handlers.add({topic, {"weights_pc"}, without_refinements, weights_per_channel});
  handlers.add({topic, {"weights_pt"}, nullptr, weights_per_tensor});
  handlers.add({topic, {"act"}, without_refinements, activation});
  handlers.add({topic, {"classifier"}, nullptr, classifier});
}

}  // namespace bitsweep::golden
