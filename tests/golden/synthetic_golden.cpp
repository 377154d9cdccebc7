// The synthetic analyses of document 004: curves of clipping, splits of bins, thresholds by
// divergence.
#include <algorithm>
#include <cmath>

#include "golden.h"
#include "quant/kl_threshold.h"
#include "quant/synthetic.h"

namespace bitsweep::golden {
namespace {

// As the peer: equal bins over −max|x| … max|x|, the upper end in the last one.
Json threshold(const Case& golden) {
  const Array x = golden.input("x");
  const auto bins = golden.get<std::size_t>("histogram_bins");
  double reach = 0;
  for (const double value : x.data) reach = std::max(reach, std::abs(value));
  std::vector<double> counts(bins, 0.0);
  for (const double value : x.data) {
    const double bin = (value + reach) / (2 * reach) * static_cast<double>(bins);
    ++counts[std::min(static_cast<std::size_t>(bin), bins - 1)];
  }
  const auto within = static_cast<double>(quant::kl_half_width(counts, golden.get<int>("levels")));
  return {{"threshold", reach * (2 * within + 1) / static_cast<double>(bins)}};
}

constexpr std::int64_t kSamples = 100000;
constexpr std::uint32_t kRuns = 15;  // as many as the peer's mean is of

Json clipping_curve(const Case& golden) {
  const Array alpha = golden.input("alpha");
  const bool laplace = golden.has("b");
  const quant::Prior prior = laplace ? quant::Prior::laplace : quant::Prior::gauss;
  const auto scale = golden.get<double>(laplace ? "b" : "sigma");
  const int bits = golden.get<int>("bits");
  const auto values = quant::drawn_values(prior, scale, kSamples, /*seed=*/1, /*run=*/0);
  return {{"analysis", pack(quant::analytic_curve(prior, scale, bits, alpha.data), alpha.shape)},
          {"simulation", pack(quant::simulated_curve(values, bits, alpha.data), alpha.shape)}};
}

// `p` is [begin, end, step] with the end left out.
Json two_channel_split(const Case& golden) {
  const Array sigma = golden.input("sigma");
  const Array p = golden.param("p");
  const std::vector<double> shares =
      quant::evenly_spaced(p.data.at(0), p.data.at(1) - p.data.at(2), p.data.at(2));
  const quant::TwoChannels channels{sigma.data.at(0), sigma.data.at(1), golden.get<double>("bins"),
                                    golden.get<std::int64_t>("samples")};
  std::vector<double> mean(shares.size(), 0.0);
  double p_of_minimum = 0;
  for (std::uint32_t run = 0; run < kRuns; ++run) {
    const auto curve = quant::split_curve(channels, shares, /*seed=*/1, run);
    for (std::size_t i = 0; i < curve.size(); ++i) mean[i] += curve[i] / kRuns;
    const auto least = std::ranges::min_element(curve) - curve.begin();
    p_of_minimum += shares[static_cast<std::size_t>(least)] / kRuns;
  }
  return {{"p_of_minimum_theory", quant::best_share(channels.sigma1, channels.sigma2)},
          {"p_of_minimum_mean_of_15_runs", p_of_minimum},
          {"mse_curve_mean", pack(mean, {static_cast<std::int64_t>(mean.size())})}};
}

}  // namespace

void register_synthetic(Handlers& handlers) {
  handlers.add({"synthetic_analyses", {"kld_laplace", "kld_gauss"}, nullptr, threshold});
  handlers.add({"synthetic_analyses", {"laplace_curve", "gauss_curve"}, nullptr, clipping_curve});
  handlers.add({"synthetic_analyses", {"two_channel_split"}, nullptr, two_channel_split});
}

}  // namespace bitsweep::golden
