#include "worker/bench_clipping.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "exec/device.h"
#include "kernels/fake_quantize.h"
#include "ptq/quantizer.h"
#include "quant/clipping_search.h"
#include "quant/synthetic.h"
#include "worker/bench_times.h"

namespace bitsweep::worker {
namespace {

constexpr std::int64_t kSamples = 128, kChannels = 64, kEdge = 56;
constexpr int kBits = 4;
// Prime, so that no two rows begin with the same value.
constexpr std::int64_t kDrawn = 1048573;

std::vector<float> drawn() {
  const auto values = quant::drawn_values(quant::Prior::laplace, 1, kDrawn, /*seed=*/0, /*run=*/0);
  return {values.begin(), values.end()};
}

// The drawn values again and again.
at::Tensor activation(const std::vector<float>& values) {
  const at::Tensor out =
      at::empty({kSamples, kChannels, kEdge, kEdge}, at::TensorOptions(at::kFloat));
  float* x = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i)
    x[i] = values[static_cast<std::size_t>(i % kDrawn)];
  return out;
}

quant::QuantizerSite site(config::Granularity granularity) {
  quant::QuantizerSite out;
  out.bits = kBits;
  out.granularity = granularity;
  out.clipping = "mse";
  return out;
}

double error_on(std::span<const float> values, kernels::RealRange range) {
  const kernels::AffineGrid grid = kernels::affine_grid(range, kBits);
  std::vector<float> y(values.size());
  kernels::fake_quantize_cpu(values.data(), y.data(), nullptr,
                             static_cast<std::int64_t>(values.size()), grid);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double error = static_cast<double>(y[i]) - values[i];
    sum += error * error;
  }
  return sum;
}

// The choices beside those of trying every candidate on the values.
struct Comparison {
  std::int64_t choices = 0;
  std::int64_t same = 0;
  double largest_loss = 0;  // of the squared error, as a fraction

  void add(std::span<const float> values, const quant::Histogram& histogram,
           kernels::RealRange chosen) {
    kernels::RealRange best{0, 0};
    double least = std::numeric_limits<double>::infinity();
    for (const auto& candidate : quant::clipping_candidates(histogram, {.bits = kBits})) {
      const double error = error_on(values, candidate);
      if (error > least) continue;
      least = error;
      best = candidate;
    }
    ++choices;
    if (best.lower == chosen.lower && best.length == chosen.length) ++same;
    largest_loss = std::max(largest_loss, error_on(values, chosen) / least - 1);
  }
};

// values: those that x repeats.
Comparison compare(const std::vector<float>& values, const at::Tensor& x,
                   const ptq::TensorStatistics& found, const ptq::Quantizer& chosen) {
  Comparison out;
  if (chosen.ranges.size() == 1) {
    out.add(values, *found.tensor.histogram, chosen.ranges.front());
    return out;
  }
  constexpr std::int64_t kPlane = kEdge * kEdge;
  for (std::size_t c = 0; c < chosen.ranges.size(); ++c) {
    std::vector<float> channel;
    for (std::int64_t n = 0; n < kSamples; ++n) {
      const float* plane =
          x.const_data_ptr<float>() + (n * kChannels + static_cast<std::int64_t>(c)) * kPlane;
      channel.insert(channel.end(), plane, plane + kPlane);
    }
    out.add(channel, *found.channels[c].histogram, chosen.ranges[c]);
  }
  return out;
}

}  // namespace

nlohmann::json bench_clipping(const ClippingBenchOptions& options) {
  exec::set_threads(options.threads);
  const std::vector<float> values = drawn();
  const at::Tensor x = activation(values);
  const double millions = static_cast<double>(x.numel()) / 1e6;
  nlohmann::json rows = nlohmann::json::array();
  for (const auto granularity : {config::Granularity::tensor, config::Granularity::channel}) {
    const bool per_tensor = granularity == config::Granularity::tensor;
    const quant::QuantizerSite mse = site(granularity);
    ptq::TensorStatistics found;
    ptq::Quantizer chosen;
    std::vector<double> ours, peer, ratios;
    for (int i = 0; i < options.repeats; ++i) {
      peer.push_back(seconds([&] { ptq::statistics(x, ptq::Detail::extremes, "bench"); }));
      ours.push_back(seconds([&] {
        found = ptq::statistics(x, ptq::detail_for(mse), "bench");
        chosen = ptq::activation_quantizer(mse, found);
      }));
      ratios.push_back(ours.back() / peer.back());
    }
    const Comparison comparison = compare(values, x, found, chosen);
    rows.push_back({{"name", std::string("MSE clipping, 100 candidates, ") +
                                 (per_tensor ? "per tensor" : "per channel")},
                    {"peer", "one min-max pass"},
                    {"unit", "million values per second"},
                    {"ours", millions / median(ours)},
                    {"peer_value", millions / median(peer)},
                    {"ratio", median(ratios)},
                    {"repeats", options.repeats},
                    {"threads", options.threads},
                    {"choices", comparison.choices},
                    {"same_choices", comparison.same},
                    {"largest_loss", comparison.largest_loss},
                    {"same_choice", comparison.same == comparison.choices},
                    {"note",
                     "million values per second; ratio is the time beside finding the extremes; "
                     "choices beside brute force on all values"}});
  }
  return rows;
}

}  // namespace bitsweep::worker
