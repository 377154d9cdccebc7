// Widths per channel from the spread of each channel (document 004; facts B.3). In theory the
// rounding noise Σ p_i² / (3·4^M_i) is least, for a given Σ 2^M_i, where 2^M_i is in proportion to
// p_i^(2/3).
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace bitsweep::quant {

inline constexpr int kMostAllocatedBits = 8;

enum class AllocationRounding { nearest, up };

// B = n·2^average levels in all (any real average): M_i = log2(B · p_i^(2/3) / Σ p^(2/3)), rounded,
// 0 … 8. Halves of `nearest` go to the even number. spread: p >= 0, finite, not empty. Where all
// are 0 nothing tells the channels apart, and all get the same width.
std::vector<int> allocate_once(std::span<const double> spread, double average,
                               AllocationRounding rounding);

struct QuotaAllocation {
  std::vector<int> bits;
  int passes = 0;
};

// allocate_once with the average shifted, pass by pass, by half of what the mean width lacks of the
// quota, until it lacks no more than 0.01 or ten passes are done: as published, it may stop off the
// quota.
QuotaAllocation allocate_to_quota(std::span<const double> spread, double average,
                                  AllocationRounding rounding);

// The code of May 2019: one pass, rounded up, no quota. A channel has at least 1 bit; the upper end
// is open there and 16 bits here, the widest grid.
std::vector<int> allocate_2019(std::span<const double> spread, double average);

// The optimum in whole numbers: least Σ p_i² / 4^M_i, M_i in 0 … 8, with Σ M_i = ⌊n·average⌋ bits,
// so that the mean width is never above the quota and less than 1/n below it (further only where
// every channel of any spread has 8 bits). Greedy, one bit at a time to the channel that gains
// most, which is optimal: each bit costs the same, and each next bit of a channel gains a quarter
// of the one before, so that the bits taken are the largest gains of all. Ties go to the earlier
// channel.
std::vector<int> allocate_exactly(std::span<const double> spread, double average);

// By the word of `bit_allocation`: round, ceil (both with the quota loop), exact, ceil_2019.
// average is 0 … 8.
std::vector<int> allocate_bits(std::string_view rule, std::span<const double> spread,
                               double average);

double mean_width(std::span<const int> bits);

}  // namespace bitsweep::quant
