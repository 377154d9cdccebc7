#include "quant/code_counts.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

// Codes are those of grids, which float32 counts exactly (kernels/fake_quantize_math.h).
constexpr std::int64_t kWidestSpan = std::int64_t{1} << 25;

}  // namespace

void CodeCounts::add(std::span<const std::int32_t> codes) {
  if (codes.empty()) return;
  const auto [low, high] = std::ranges::minmax(codes);
  std::int64_t first = low;
  std::int64_t last = high;
  if (!counts_.empty()) {
    first = std::min<std::int64_t>(first, first_);
    last = std::max<std::int64_t>(last, first_ + static_cast<std::int64_t>(counts_.size()) - 1);
  }
  BITSWEEP_CHECK(last - first < kWidestSpan, "codes {} to {}", first, last);
  if (!counts_.empty() && first < first_) {
    counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - first), 0);
  }
  first_ = static_cast<std::int32_t>(first);
  counts_.resize(static_cast<std::size_t>(last - first + 1), 0);
  for (const std::int32_t code : codes) ++counts_[static_cast<std::size_t>(code - first)];
  total_ += codes.size();
}

std::vector<CodeCounts::Entry> CodeCounts::entries() const {
  std::vector<Entry> out;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) out.push_back({first_ + static_cast<std::int32_t>(i), counts_[i]});
  }
  return out;
}

double CodeCounts::entropy() const {
  double bits = 0;
  for (const std::uint64_t count : counts_) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(total_);
    bits -= share * std::log2(share);
  }
  return bits + 0.0;  // never −0
}

}  // namespace bitsweep::quant
