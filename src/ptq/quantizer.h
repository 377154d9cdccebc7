// A quantizer site with its ranges and grids: what a tensor is quantized on.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <vector>

#include "kernels/fake_quantize.h"
#include "ptq/statistics.h"
#include "quant/bias_correction.h"
#include "quant/grids.h"
#include "quant/sites.h"

namespace bitsweep::ptq {

struct Quantizer : quant::Grids {
  // Of a weight with quantizer `kmeans`, in place of grids: ascending centroids, one table or one
  // per channel.
  std::vector<std::vector<float>> centroids;
  // Where rounding is stochastic. Element i of a weight gets draw i; element i of an image of an
  // output gets draw i at the step that is the image's position (docs/numerics.md).
  std::optional<kernels::RandomStream> random;
  // Of a weight, one per output channel; empty: none. They lie off the grid: apply() and codes()
  // leave them out.
  std::vector<quant::ChannelCorrection> corrections;
  // Of a weight whose layer was re-estimated (ptq/refinement.h), one per output channel; empty:
  // none. After the corrections, and as these off the grid.
  std::vector<double> rescales;
  // Of an output, one per channel; empty: none. What is added to its positive quantized values.
  std::vector<double> positive_shifts;

  // A weight on its grid, in place; layout.channels counts only where there is one grid per
  // channel.
  void apply(float* x, const kernels::ChannelLayout& layout) const;
  // An output, [batch, channels, height, width] float32 contiguous on any device, with
  // positive_shifts. images: [batch], the position of each image among those that are fed; nothing
  // else of a batch shows in its values. Read where rounding is stochastic alone.
  void apply(at::Tensor& x, std::span<const std::int64_t> images) const;
  // Whether they do the same to every tensor, bit for bit: all fields are compared, as bits.
  friend bool operator==(const Quantizer& a, const Quantizer& b);

  // Integer codes of x; layout as above.
  void codes(const float* x, std::int32_t* out, const kernels::ChannelLayout& layout) const;

 private:
  void apply_on_cpu(float* x, const kernels::ChannelLayout& layout,
                    std::span<const std::int64_t> images) const;
  void apply_on_gpu(at::Tensor& x, const kernels::ChannelLayout& layout,
                    std::span<const std::int64_t> images) const;
  void shift_positive(at::Tensor& x) const;
};

// The quantizer, still without corrections, that a weight [output channels, …] gets from its own
// values. Throws Diverged where a value is infinite or not a number.
Quantizer weight_quantizer(const quant::QuantizerSite& site, std::span<const float> weight,
                           std::int64_t channels, const std::string& name);

// What activation_quantizer reads of the statistics.
Detail detail_for(const quant::QuantizerSite& site);

// Which statistics apply: those of one batch (dynamic), or of all calibration batches put together.
// The extremes of logits are always the widest of all batches (RangeRule::batch_extreme).
Quantizer activation_quantizer(const quant::QuantizerSite& site,
                               const TensorStatistics& statistics);

// weight [output channels, …] on the grids of its quantizer, then corrected as the site says; the
// corrections are kept in the quantizer.
void quantize_weight(Quantizer& quantizer, const quant::QuantizerSite& site,
                     std::span<float> weight, std::int64_t channels);

}  // namespace bitsweep::ptq
