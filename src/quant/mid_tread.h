// The mid-tread quantizer of document 004 (bin allocation, made for codes of variable length; facts
// B.5): bins whose number need not be a power of two, multiples of a step, so that 0 is always one.
//
// Where it differs from the simulator: values beyond the clipped ends get the first code beyond
// them, where the simulator keeps the ends themselves, which are no multiples of the step. The
// codes that occur, and so the entropy, are the same.
#pragma once

#include <span>
#include <vector>

#include "kernels/fake_quantize_math.h"
#include "kernels/range_math.h"
#include "quant/statistics.h"

namespace bitsweep::quant {

// Bins ω of each channel by its spread p: n·2^T of them in proportion to p^(2/3), rounded to whole
// numbers, ties to even; T = average_bits. Where no channel has any spread all get as many. Throws
// ConfigError where a channel would get more than float32 can count (2^22).
std::vector<int> mid_tread_bins(std::span<const double> spreads, double average_bits);

// α in units of b, W₀(3·bins²), between the entries of the simulator's table: bins 0.01 … 1000, 20
// equal steps a decade, interpolated linearly, which is up to 0.6 % below the formula. Outside the
// table the formula itself.
double mid_tread_clipping(double bins);

struct MidTreadRequest {
  int bins = 16;
  bool half_range = false;
  bool clipped = false;  // by Laplace's optimum; else the whole range, where nothing lies outside
};

struct MidTread {
  kernels::AffineGrid grid;  // zero point 0; a constant for 0 bins or an empty range
  kernels::RealRange range;  // that the bins divide; with the simulator's ends
};

// Clipped: 2α long around the mean or, where a ReLU is performed, from 0 to max(mean, 0) + α⁺ with
// twice the bins (one-sided bins are half as wide: α⁺(ω) = α(2ω)).
MidTread mid_tread(const Statistics& statistics, const MidTreadRequest& request);

}  // namespace bitsweep::quant
