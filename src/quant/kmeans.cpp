#include "quant/kmeans.h"

#include <algorithm>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

constexpr int kMostRounds = 300;

std::vector<double> sums_upto(std::span<const float> sorted) {
  std::vector<double> out(sorted.size() + 1, 0.0);
  for (std::size_t i = 0; i < sorted.size(); ++i) out[i + 1] = out[i] + sorted[i];
  return out;
}

void make_different(std::vector<double>& sorted) {
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

std::vector<double> quantiles(std::span<const float> sorted, std::size_t count) {
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) {
    const double at = (static_cast<double>(i) + 0.5) / static_cast<double>(count) *
                      static_cast<double>(sorted.size());
    out.push_back(sorted[static_cast<std::size_t>(at)]);
  }
  make_different(out);
  return out;
}

// Where each cluster but the first begins among the sorted values.
std::vector<std::size_t> boundaries(std::span<const float> sorted,
                                    const std::vector<double>& centroids) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i + 1 < centroids.size(); ++i) {
    const double middle = (centroids[i] + centroids[i + 1]) / 2;
    out.push_back(
        static_cast<std::size_t>(std::upper_bound(sorted.begin(), sorted.end(), middle,
                                                  [](double m, float value) { return m < value; }) -
                                 sorted.begin()));
  }
  return out;
}

}  // namespace

std::vector<float> kmeans_centroids(std::span<const float> values, int bits) {
  BITSWEEP_CHECK(!values.empty() && bits >= 1 && bits <= 16, "{} values, {} bits", values.size(),
                 bits);
  std::vector<float> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const std::vector<double> upto = sums_upto(sorted);
  std::vector<double> centroids = quantiles(sorted, std::size_t{1} << bits);
  std::vector<std::size_t> before;
  for (int round = 0; round < kMostRounds; ++round) {
    const std::vector<std::size_t> now = boundaries(sorted, centroids);
    if (round > 0 && now == before) break;
    std::vector<double> means;
    for (std::size_t i = 0; i < centroids.size(); ++i) {
      const std::size_t begin = i == 0 ? 0 : now[i - 1];
      const std::size_t end = i + 1 == centroids.size() ? sorted.size() : now[i];
      if (begin == end) continue;  // a cluster without values is given up
      means.push_back((upto[end] - upto[begin]) / static_cast<double>(end - begin));
    }
    before = means.size() == centroids.size() ? now : std::vector<std::size_t>{};
    centroids = std::move(means);
  }
  std::vector<float> out(centroids.begin(), centroids.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void nearest_centroids(std::span<const float> values, std::span<const float> centroids,
                       std::span<std::int32_t> codes) {
  BITSWEEP_CHECK(!centroids.empty() && codes.size() == values.size(), "{} centroids",
                 centroids.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto above = std::lower_bound(centroids.begin(), centroids.end(), values[i]);
    auto at = above - centroids.begin();
    const bool is_beyond = above == centroids.end();
    if (at > 0 && (is_beyond || static_cast<double>(values[i]) - centroids[at - 1] <=
                                    static_cast<double>(*above) - values[i])) {
      --at;
    }
    codes[i] = static_cast<std::int32_t>(at);
  }
}

}  // namespace bitsweep::quant
