// The loops of integer_layers.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/integer_loops.h"
#include "kernels/integer_stage.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

// acc[j] += Σ over taps and channels of code · weight[j].
template <class Code, class Weight, int kGroup>
void accumulate(const Convolution& c, std::int64_t y, std::int64_t x, const Weight* weights,
                std::int32_t* __restrict acc) {
  const auto* input = static_cast<const Code*>(c.input.data) + y * c.stride_y * c.input.row +
                      x * c.stride_x * c.input.pixel;
  for (int ky = 0; ky < c.kernel_height; ++ky) {
    for (int kx = 0; kx < c.kernel_width; ++kx) {
      const Code* from =
          input + ky * c.dilation_y * c.input.row + kx * c.dilation_x * c.input.pixel;
      for (std::int64_t d = 0; d < c.depth; d += kGroup) {
        for (int j = 0; j < kChannelBlock; ++j) {
          std::int32_t sum = 0;
          for (int k = 0; k < kGroup; ++k) sum += from[d + k] * weights[j * kGroup + k];
          acc[j] += sum;
        }
        weights += kChannelBlock * kGroup;
      }
    }
  }
}

template <class Code, class Weight, int kGroup>
void convolve_all(const Convolution& c) {
  const std::int64_t block_weights =
      c.depth * c.kernel_height * c.kernel_width * std::int64_t{kChannelBlock};
  for (std::int64_t y = 0; y < c.height; ++y) {
    for (std::int64_t first = 0; first < c.stage.channels; first += kChannelBlock) {
      const auto* weights =
          static_cast<const Weight*>(c.weights) + first / kChannelBlock * block_weights;
      for (std::int64_t x = 0; x < c.width; ++x) {
        std::int32_t acc[kChannelBlock];
        for (int j = 0; j < kChannelBlock; ++j) acc[j] = c.start[first + j];
        accumulate<Code, Weight, kGroup>(c, y, x, weights, acc);
        finish_block(c.stage, y, x, first, acc);
      }
    }
  }
}

template <class Code>
void convolve_depthwise_all(const Convolution& c) {
  const std::int64_t channels =
      (c.stage.channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
  for (std::int64_t y = 0; y < c.height; ++y) {
    for (std::int64_t x = 0; x < c.width; ++x) {
      const auto* input = static_cast<const Code*>(c.input.data) + y * c.stride_y * c.input.row +
                          x * c.stride_x * c.input.pixel;
      for (std::int64_t first = 0; first < c.stage.channels; first += kChannelBlock) {
        const std::int64_t left = c.stage.channels - first;
        const std::int64_t n = left < kChannelBlock ? left : kChannelBlock;
        std::int32_t acc[kChannelBlock];
        for (int j = 0; j < kChannelBlock; ++j) acc[j] = c.start[first + j];
        for (int ky = 0; ky < c.kernel_height; ++ky) {
          for (int kx = 0; kx < c.kernel_width; ++kx) {
            const Code* from =
                input + ky * c.dilation_y * c.input.row + kx * c.dilation_x * c.input.pixel + first;
            const std::int16_t* weights = static_cast<const std::int16_t*>(c.weights) +
                                          (ky * c.kernel_width + kx) * channels + first;
            if (n == kChannelBlock) {
              for (int j = 0; j < kChannelBlock; ++j) acc[j] += from[j] * weights[j];
            } else {
              for (std::int64_t j = 0; j < n; ++j) acc[j] += from[j] * weights[j];
            }
          }
        }
        finish_block(c.stage, y, x, first, acc);
      }
    }
  }
}

}  // namespace

void convolve(const Convolution& c) {
  if (c.input.type == CodeType::u8) {
    convolve_all<std::uint8_t, std::int8_t, 4>(c);
  } else {
    convolve_all<std::int16_t, std::int16_t, 2>(c);
  }
}

void convolve_depthwise(const Convolution& c) {
  if (c.input.type == CodeType::u8) {
    convolve_depthwise_all<std::uint8_t>(c);
  } else {
    convolve_depthwise_all<std::int16_t>(c);
  }
}

void input_codes(const float* x, std::int32_t* codes, std::int64_t n, double scale,
                 std::int32_t low, std::int32_t high) {
  for (std::int64_t i = 0; i < n; ++i) codes[i] = input_code(x[i], scale, low, high);
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
