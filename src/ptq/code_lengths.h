// How short the integers of a quantized network could be written (document 004, `-me`): entropy and
// Huffman length of the pooled codes of each tensor, averaged by element.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "config/trial.h"
#include "data/image_cache.h"
#include "ptq/prepare.h"

namespace bitsweep::ptq {

struct CodeLengths {
  double entropy = 0;  // bits an element
  double huffman = 0;  // without tables
};

// Nothing where no weight is quantized.
std::optional<CodeLengths> weight_code_lengths(const Prepared& prepared);

// Images whose activations are counted: the first of the evaluation, in its batches.
inline constexpr std::int64_t kCountedImages = 1024;

// Of the outputs on quantizer `mid_tread`, for whose codes variable lengths are meant; nothing
// where there is none. Runs the quantized network once more on the first kCountedImages test
// images.
std::optional<CodeLengths> activation_code_lengths(const Prepared& prepared,
                                                   const config::TrialConfig& config,
                                                   data::ImageCache& cache, at::Device device);

}  // namespace bitsweep::ptq
