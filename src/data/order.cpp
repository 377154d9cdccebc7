#include "data/order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/philox_math.h"

namespace bitsweep::data {

std::vector<std::int64_t> file_order(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

std::vector<std::int64_t> drawn_order(std::int64_t n, std::uint64_t seed, OrderStream stream,
                                      std::uint32_t step) {
  const kernels::RandomStream random{
      .seed = seed, .stream = static_cast<std::uint32_t>(stream), .step = step};
  std::vector<std::pair<std::uint32_t, std::int64_t>> keys;
  for (std::int64_t i = 0; i < n; ++i) {
    keys.emplace_back(kernels::random_bits(random, static_cast<std::uint64_t>(i)), i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::int64_t> out;
  for (const auto& [key, i] : keys) out.push_back(i);
  return out;
}

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::uint32_t epoch) {
  return drawn_order(n, seed, OrderStream::training, epoch);
}

}  // namespace bitsweep::data
