// Document 004's mid-tread quantizer and the entropy of its codes.
#include <algorithm>
#include <cmath>

#include "document004.h"
#include "kernels/fake_quantize.h"
#include "quant/code_counts.h"
#include "quant/mid_tread.h"

namespace bitsweep::golden {
namespace {

using kernels::ChannelLayout;

struct Result {
  Tensor y;
  std::vector<std::int32_t> bins;
  double entropy = 0;
};

// The peer keeps the clipped ends, which are no multiples of the step, where the product takes the
// code beyond them (quant/mid_tread.h).
float within_ends(float y, const quant::MidTread& made, double upper) {
  const double lower = made.range.lower;
  return static_cast<float>(std::clamp(static_cast<double>(y), lower, upper));
}

Result quantized(const Tensor& x, const ChannelLayout& layout, double target, bool half_range,
                 bool clipped) {
  const std::vector<quant::Statistics> statistics = statistics_of(x, layout);
  std::vector<double> spreads;
  for (const quant::Statistics& s : statistics) spreads.push_back(s.std);
  Result out{x, quant::mid_tread_bins(spreads, target)};
  std::vector<kernels::AffineGrid> grids;
  std::vector<quant::MidTread> made;
  for (std::size_t c = 0; c < statistics.size(); ++c) {
    made.push_back(quant::mid_tread(statistics[c], {out.bins[c], half_range, clipped}));
    grids.push_back(made.back().grid);
  }
  std::vector<std::int32_t> codes(x.values.size());
  kernels::quantize_cpu(x.values.data(), codes.data(), layout, grids.data());
  kernels::fake_quantize_cpu(x.values.data(), out.y.values.data(), nullptr, layout, grids.data());
  quant::CodeCounts counts;
  counts.add(codes);
  out.entropy = counts.entropy();
  for (std::size_t i = 0; clipped && i < x.values.size(); ++i) {
    const auto c = i / static_cast<std::size_t>(layout.inner) % statistics.size();
    const double end = static_cast<double>(made[c].range.lower) + made[c].range.length;
    const double upper = half_range ? end + std::max(statistics[c].mean, 0.0) : end;
    out.y.values[i] = within_ends(out.y.values[i], made[c], upper);
  }
  return out;
}

Json activation(const Case& golden) {
  const Tensor x = read_tensor(golden, "x");
  const std::int64_t batch = x.shape.at(0), channels = x.shape.at(1);
  const ChannelLayout layout = golden.get<bool>("per_channel")
                                   ? ChannelLayout{batch, channels, x.size() / (batch * channels)}
                                   : kernels::whole_tensor(x.size());
  const Result result = quantized(x, layout, golden.get<double>("target"),
                                  golden.get<bool>("half_range"), /*clipped=*/true);
  return {{"y", pack(result.y.values, x.shape)},
          {"bins", pack(result.bins, {static_cast<std::int64_t>(result.bins.size())})},
          {"entropy", result.entropy}};
}

Json weights(const Case& golden) {
  const Tensor w = read_tensor(golden, "w");
  const Result result = quantized(w, weight_layout(w), golden.get<double>("target"),
                                  /*half_range=*/false, /*clipped=*/false);
  return {{"y", pack(result.y.values, w.shape)},
          {"bins", pack(result.bins, {static_cast<std::int64_t>(result.bins.size())})},
          {"entropy", result.entropy}};
}

}  // namespace

void register_mid_tread(Handlers& handlers) {
  handlers.add({"cnnq_quantizers", {"midtread_act"}, nullptr, activation});
  handlers.add({"cnnq_quantizers", {"midtread_weights"}, nullptr, weights});
}

}  // namespace bitsweep::golden
