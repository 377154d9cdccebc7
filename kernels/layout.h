// How a contiguous array is read by kernels that work per channel, and which part of it a call
// does.
#pragma once

#include <cstdint>

namespace bitsweep::kernels {

// A contiguous array seen as [outer, channels, inner]; element i belongs to channel
// (i / inner) % channels. NCHW activations: {N, C, H·W}; weights OIHW: {1, O, I·kh·kw}; one range
// per sample: {1, N, C·H·W}; one range for all: whole_tensor(n).
struct ChannelLayout {
  std::int64_t outer = 1;
  std::int64_t channels = 1;
  std::int64_t inner = 0;

  std::int64_t size() const { return outer * channels * inner; }
};

inline ChannelLayout whole_tensor(std::int64_t n) { return {1, 1, n}; }

// The elements [begin, end) of a flat array that one call does, so that a caller can share work
// between threads: slices write disjoint elements, and every split gives the same bits. Where a
// mask is written, `begin` is a multiple of 32 (a slice owns whole mask words).
struct Slice {
  static constexpr std::int64_t kToTheEnd = -1;
  std::int64_t begin = 0;
  std::int64_t end = kToTheEnd;
};

}  // namespace bitsweep::kernels
