// What the golden topics of document 004 share: tensors of a case, quantized by the product's own
// path from statistics to grids (quant/grids.h).
#pragma once

#include <string>
#include <vector>

#include "golden.h"
#include "kernels/layout.h"
#include "quant/grids.h"

namespace bitsweep::golden {

struct Tensor {
  std::vector<float> values;
  std::vector<std::int64_t> shape;

  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
};

Tensor read_tensor(const Case& golden, const char* name);

// A weight [output channels, …], one channel per row.
kernels::ChannelLayout weight_layout(const Tensor& w);

std::vector<quant::Statistics> statistics_of(const Tensor& x, const kernels::ChannelLayout& layout);

// "no", "laplace", "gaus", "2.5std" of a case as the value of quant.activation.clipping.
std::string clipping(const Case& golden);

// The peer's widths: `bits`, or allocated by it, which it does up to 4 bits.
void allocate(const Case& golden, const char* flag, quant::QuantizerSite& site);

struct Quantized {
  Tensor y;
  Json call;  // the range and the bits that the quantizer arrived at, as `quantizer_call` has them
};

// One grid per entry of `statistics`; layout.channels of them, or one.
Quantized quantized(const Tensor& x, const kernels::ChannelLayout& layout,
                    const quant::QuantizerSite& site,
                    const std::vector<quant::Statistics>& statistics);

}  // namespace bitsweep::golden
