// The fast executor of integer networks: 8-bit and 16-bit codes with channels innermost, int32
// accumulators that the bounds of the network prove large enough, kernels of
// kernels/integer_layers.h. Gives the codes and logits of integer/reference.h bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "integer/network.h"
#include "integer/reference.h"

namespace bitsweep::integer {

class FastExecutor {
 public:
  // Lays out weights and buffers. `network` must have passed check() and must outlive this object.
  explicit FastExecutor(const Network& network);
  ~FastExecutor();
  FastExecutor(FastExecutor&&) noexcept;

  // images: [count, channels, height, width] float32, normalised. logits: [count, classes]. One
  // image after the other, so that all codes of one stay in the cache; on the calling thread.
  void run(std::span<const float> images, std::int64_t count, std::span<float> logits);

  // One image with every tensor kept, for comparisons.
  Trace trace(std::span<const float> image);

  // The steps that run on the reference's loops, and why: "name: …". Weights wider than the
  // kernels', sums beyond int32, grouped convolutions.
  const std::vector<std::string>& slow_steps() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace bitsweep::integer
