// Integers that an ONNX file computes from integers: the arithmetic of shapes and paddings that
// exporters leave in a file (`x.view(x.size(0), -1)`, `F.pad`), worked out while it is read.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "models/onnx_values.h"

namespace bitsweep::models {

// Stands for the number of images of a batch, which a file does not say. It may be moved about, not
// calculated with.
inline constexpr std::int64_t kNumberOfImages = std::numeric_limits<std::int64_t>::min() + 1;

// What `node` makes of integer constants, one for each of its inputs (nullptr: left out), by the
// rules of ONNX: Add, Cast, Concat, ConstantOfShape, Gather, Mul, Reshape, Slice, Squeeze, Sub,
// Transpose, Unsqueeze of a few elements. nullopt: another operator, or another use of one.
std::optional<OnnxConstant> integers_of(const onnx::NodeProto& node,
                                        const std::vector<const OnnxConstant*>& inputs);

// The positions that a slice of an axis of `size` takes (ONNX's Slice); step is not 0.
std::vector<std::int64_t> sliced(std::int64_t size, std::int64_t start, std::int64_t end,
                                 std::int64_t step);

}  // namespace bitsweep::models
