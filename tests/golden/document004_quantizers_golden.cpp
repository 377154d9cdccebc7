// The quantizers of document 004: weights, activations (clipped, allocated), logits.
#include "document004.h"
#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"
#include "kernels/range_math.h"

namespace bitsweep::golden {
namespace {

using config::Granularity;
using config::Ties;
using kernels::AffineGrid;
using kernels::ChannelLayout;
using quant::QuantizerSite;
using quant::Statistics;

// A case that gives the range itself.
Json on_grid(const Case& golden, const AffineGrid& grid, kernels::Rounding rounding) {
  const Tensor x = read_tensor(golden, "x");
  std::vector<float> y(x.values.size());
  kernels::fake_quantize_cpu(x.values.data(), y.data(), nullptr, x.size(), grid, rounding);
  return {{"y", pack(y, x.shape)}};
}

kernels::RealRange given_range(const Case& golden) {
  return {golden.get<float>("offset"), golden.get<float>("delta")};
}

Json core(const Case& golden) {
  return on_grid(golden, kernels::affine_grid(given_range(golden), golden.get<int>("bits")),
                 kernels::kDocument004VectorRounding);
}

Json kernel(const Case& golden) {
  return on_grid(golden,
                 kernels::anchored_affine_grid(given_range(golden), golden.get<int>("bits")),
                 kernels::kDocument004KernelRounding);
}

Json answer(const Quantized& quantized) {
  return {{"y", pack(quantized.y.values, quantized.y.shape)},
          {"quantizer_call", Json::array({quantized.call})}};
}

// Facts B.1.1: a range per channel, ties to even.
QuantizerSite per_channel(const Case& golden) {
  return {.bits = golden.get<int>("bits"), .granularity = Granularity::channel};
}

// Facts B.1.2: per tensor, ties away.
QuantizerSite per_tensor(const Case& golden) {
  return {.bits = golden.get<int>("bits"), .ties = Ties::away};
}

Json weights_per_channel(const Case& golden) {
  const Tensor w = read_tensor(golden, "w");
  QuantizerSite site = per_channel(golden);
  allocate(golden, "bit_allocation", site);
  return answer(quantized(w, weight_layout(w), site, statistics_of(w, weight_layout(w))));
}

// The range of all values.
Json over_all(const Case& golden, const Tensor& x) {
  const ChannelLayout all = kernels::whole_tensor(x.size());
  return answer(quantized(x, all, per_tensor(golden), statistics_of(x, all)));
}

Json weights_per_tensor(const Case& golden) { return over_all(golden, read_tensor(golden, "w")); }

Json classifier(const Case& golden) { return over_all(golden, read_tensor(golden, "x")); }

// Mean over samples of each sample's extremes, in the place of the batch's own.
void use_sample_means(const Tensor& x, Statistics& statistics) {
  const std::int64_t samples = x.shape.at(0);
  std::vector<kernels::MinMax> extremes(static_cast<std::size_t>(samples));
  kernels::min_max_cpu(x.values.data(), {1, samples, x.size() / samples}, extremes.data());
  statistics.min = statistics.max = 0;
  for (const kernels::MinMax& sample : extremes) {
    statistics.min += sample.min / static_cast<double>(samples);
    statistics.max += sample.max / static_cast<double>(samples);
  }
}

Json activation(const Case& golden) {
  const Tensor x = read_tensor(golden, "x");
  const std::int64_t batch = x.shape.at(0), channels = x.shape.at(1);
  const ChannelLayout layout{batch, channels, x.size() / (batch * channels)};
  // One pixel per channel is always quantized per tensor (facts B.1.3).
  const bool each = golden.get<bool>("per_channel") && layout.inner > 1;
  QuantizerSite site = each ? per_channel(golden) : per_tensor(golden);
  site.half_range = golden.get<bool>("half_range");
  site.clipping = clipping(golden);
  site.clipping_constants = config::ClippingConstants::two_decimals;
  if (each) {
    allocate(golden, "bit_allocation", site);
    return answer(quantized(x, layout, site, statistics_of(x, layout)));
  }
  std::vector<Statistics> tensor = statistics_of(x, kernels::whole_tensor(x.size()));
  if (site.clipping == "none") {
    use_sample_means(x, tensor.front());
  } else {
    site.ties = Ties::even;
  }
  return answer(quantized(x, layout, site, tensor));
}

}  // namespace

void register_document004_quantizers(Handlers& handlers) {
  const char* topic = "cnnq_quantizers";
  handlers.add({topic, {"core"}, nullptr, core});
  handlers.add({topic, {"kernel"}, nullptr, kernel});
  handlers.add({topic, {"weights_pc"}, nullptr, weights_per_channel});
  handlers.add({topic, {"weights_pt"}, nullptr, weights_per_tensor});
  handlers.add({topic, {"act"}, nullptr, activation});
  handlers.add({topic, {"classifier"}, nullptr, classifier});
}

}  // namespace bitsweep::golden
