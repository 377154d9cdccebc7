// A quantizer site with its ranges and grids: what a tensor is quantized on.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "kernels/fake_quantize.h"
#include "kernels/range_math.h"
#include "ptq/statistics.h"
#include "quant/sites.h"

namespace bitsweep::ptq {

// One grid for the whole tensor, or one per channel.
struct Quantizer {
  std::vector<kernels::RealRange> ranges;
  std::vector<kernels::AffineGrid> grids;
  kernels::Rounding rounding;

  // x on its grid, in place; layout.channels counts only where there is one grid per channel.
  void apply(float* x, const kernels::ChannelLayout& layout) const;
  // The same for [batch, channels, height, width] float32 contiguous on any device.
  void apply(at::Tensor& x) const;
  // Integer codes of x; layout as above.
  void codes(const float* x, std::int32_t* out, const kernels::ChannelLayout& layout) const;
};

// The quantizer that a weight [output channels, …] gets from its own extremes.
// Throws Diverged where a value is infinite or not a number.
Quantizer weight_quantizer(const quant::QuantizerSite& site, std::span<const float> weight,
                           std::int64_t channels, const std::string& name);

// Which statistics apply: those of one batch (dynamic), or of all calibration batches put together.
// The extremes of logits are always the widest of all batches (RangeRule::batch_extreme).
Quantizer activation_quantizer(const quant::QuantizerSite& site,
                               const TensorStatistics& statistics);

}  // namespace bitsweep::ptq
