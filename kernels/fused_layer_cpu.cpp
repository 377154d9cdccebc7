// The loops of fused_layer.h, compiled once per instruction set (BITSWEEP_VARIANT).
//
// A chunk is done in blocks of a few rows whose per-channel values are laid out beside each other,
// so that inner loops run over one flat stretch of at least kMinBlock elements whatever the number
// of channels. Sums are kept per position of a block in float32 (a chunk adds some 64 blocks), then
// added per channel in float64: in a fixed order that no vector width changes. Tables and sums are
// the caller's (fused_layer.cpp): nothing of the standard library is instantiated here, whose weak
// symbols could be taken from this file by code for a lesser processor.
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

// Some rows' elements.
struct Block {
  std::int64_t begin;  // first element
  std::int64_t size;   // elements; less than a whole block at the very end
};

template <class Do>
[[gnu::always_inline]] inline void for_each_block(const FusedLayer& layer,
                                                  const FusedTables& tables, std::int64_t chunk,
                                                  Do body) {
  const std::int64_t first = chunk * chunk_rows(layer.channels);
  std::int64_t end = first + chunk_rows(layer.channels);
  if (end > layer.rows) end = layer.rows;
  const std::int64_t step = tables.block_rows;
  for (std::int64_t row = first; row < end; row += step) {
    const std::int64_t rows = end - row < step ? end - row : step;
    body(Block{row * layer.channels, rows * layer.channels});
  }
}

void clear(float* sums, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) sums[i] = 0.0f;
}

// The sum over a block's positions of each channel, in the order of the rows.
void add_per_channel(const FusedLayer& layer, const FusedTables& tables, const float* per_position,
                     double* out, std::int64_t stride) {
  const std::int64_t rows = tables.block_rows;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t c = 0; c < layer.channels; ++c)
      out[c * stride] += static_cast<double>(per_position[row * layer.channels + c]);
}

template <class T>
void norm_sums_of(const FusedLayer& layer, const FusedTables& tables, const T* x, NormSums* sums,
                  ChunkRange chunks) {
  const float* pivot = tables.mean;
  float* sum = tables.sum;
  float* squares = tables.product;
  for (std::int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    clear(sum, tables.size(layer));
    clear(squares, tables.size(layer));
    for_each_block(layer, tables, chunk, [&](Block block) {
      const T* in = x + block.begin;
      for (std::int64_t i = 0; i < block.size; ++i) {
        const float d = to_float(in[i]) - pivot[i];
        sum[i] += d;
        squares[i] += d * d;
      }
    });
    NormSums* out = sums + chunk * layer.channels;
    for (std::int64_t c = 0; c < layer.channels; ++c) out[c] = {};
    add_per_channel(layer, tables, sum, &out->sum, 2);
    add_per_channel(layer, tables, squares, &out->squares, 2);
  }
}

// u of one element (fused_layer_math.h).
template <bool kOther, class T>
[[gnu::always_inline]] inline float before_nonlinearity(const T* x, const T* other,
                                                        const float* scale, const float* shift,
                                                        std::int64_t i) {
  const float u = to_float(x[i]) * scale[i] + shift[i];
  if constexpr (kOther) return u + to_float(other[i]);
  return u;
}

template <class T, Nonlinearity kKind, bool kQuantized, bool kOther>
void forward_of(const FusedLayer& layer, const FusedTables& tables, const T* x, const T* other,
                T* y, ChunkRange chunks) {
  const float* scale = tables.scale;
  const float* shift = tables.shift;
  const NonlinearityParams nonlinearity = layer.nonlinearity;
  const ClampGrid grid = clamp_grid(layer.quantizer, layer.alpha != nullptr ? *layer.alpha : 0.0f);
  for (std::int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    for_each_block(layer, tables, chunk, [&](Block block) {
      const T* in = x + block.begin;
      const T* add = kOther ? other + block.begin : nullptr;
      T* out = y + block.begin;
      for (std::int64_t i = 0; i < block.size; ++i) {
        const float u = before_nonlinearity<kOther>(in, add, scale, shift, i);
        float t = nonlinear<kKind>(u, nonlinearity);
        if constexpr (kQuantized) t = clamp_quantize(t, grid);
        from_float(t, out[i]);
      }
    });
  }
}

// The gradient before the norm (and at `other`), g · dy/dt · dt/du, of one block. `passed` and
// `alpha` are tables: without __restrict g++ gives up on the number of arrays that might overlap.
// Constants by value, since a store could change what a reference names.
template <class T, Nonlinearity kKind, bool kQuantized, bool kOther>
[[gnu::always_inline]] inline void pass_block(const T* x, const T* other, const float* scale,
                                              const float* shift,
                                              const NonlinearityParams nonlinearity,
                                              const ClampGrid grid, const float* gradient,
                                              float* __restrict passed, float* __restrict alpha,
                                              std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float u = before_nonlinearity<kOther>(x, other, scale, shift, i);
    float g = gradient[i];
    if constexpr (kQuantized) {
      const float t = nonlinear<kKind>(u, nonlinearity);
      alpha[i] += g * clamp_alpha_slope(t, grid);
      g *= clamp_slope(t, grid);
    }
    passed[i] = g * nonlinear_slope<kKind>(u, nonlinearity);
  }
}

template <class T>
using PassBlock = void (*)(const T*, const T*, const float*, const float*, NonlinearityParams,
                           ClampGrid, const float*, float* __restrict, float* __restrict,
                           std::int64_t);

template <class T, Nonlinearity kKind, bool kQuantized, bool kOther>
void pass_block_of(const T* x, const T* other, const float* scale, const float* shift,
                   NonlinearityParams nonlinearity, ClampGrid grid, const float* gradient,
                   float* __restrict passed, float* __restrict alpha, std::int64_t size) {
  pass_block<T, kKind, kQuantized, kOther>(x, other, scale, shift, nonlinearity, grid, gradient,
                                           passed, alpha, size);
}

template <class T, Nonlinearity kKind>
PassBlock<T> choose_pass(bool quantized, bool other) {
  if (quantized)
    return other ? pass_block_of<T, kKind, true, true> : pass_block_of<T, kKind, true, false>;
  return other ? pass_block_of<T, kKind, false, true> : pass_block_of<T, kKind, false, false>;
}

template <class T>
PassBlock<T> choose_pass(const FusedLayer& layer, bool other) {
  const bool quantized = layer.quantizer.kind != ClampQuantizerKind::none;
  switch (layer.nonlinearity.kind) {
    case Nonlinearity::clamp:
      return choose_pass<T, Nonlinearity::clamp>(quantized, other);
    case Nonlinearity::hard_swish:
      return choose_pass<T, Nonlinearity::hard_swish>(quantized, other);
    case Nonlinearity::hard_sigmoid:
      return choose_pass<T, Nonlinearity::hard_sigmoid>(quantized, other);
    case Nonlinearity::hard_sigmoid_fifth:
      return choose_pass<T, Nonlinearity::hard_sigmoid_fifth>(quantized, other);
  }
  __builtin_unreachable();
}

// The arriving gradient of a block as float32: the array itself where it is one such array.
const float* arriving(const float* first, const float* second, Block block, float* buffer) {
  if (second == nullptr) return first + block.begin;
  for (std::int64_t i = 0; i < block.size; ++i)
    buffer[i] = first[block.begin + i] + second[block.begin + i];
  return buffer;
}

const float* arriving(const BFloat16* first, const BFloat16* second, Block block, float* buffer) {
  if (second == nullptr) {
    for (std::int64_t i = 0; i < block.size; ++i) buffer[i] = to_float(first[block.begin + i]);
    return buffer;
  }
  for (std::int64_t i = 0; i < block.size; ++i)
    buffer[i] = to_float(first[block.begin + i]) + to_float(second[block.begin + i]);
  return buffer;
}

// Calls body(block, passed): the gradient before the norm, block by block.
template <class T, class Body>
[[gnu::always_inline]] inline void for_each_passed(const FusedLayer& layer,
                                                   const FusedTables& tables, const T* x,
                                                   const T* other, ArrivingGradient gradient,
                                                   std::int64_t chunk, Body body) {
  const PassBlock<T> pass = choose_pass<T>(layer, other != nullptr);
  const ClampGrid grid = clamp_grid(layer.quantizer, layer.alpha != nullptr ? *layer.alpha : 0.0f);
  for_each_block(layer, tables, chunk, [&](Block block) {
    const float* g = arriving(static_cast<const T*>(gradient.first),
                              static_cast<const T*>(gradient.second), block, tables.arrived);
    pass(x + block.begin, other != nullptr ? other + block.begin : nullptr, tables.scale,
         tables.shift, layer.nonlinearity, grid, g, tables.passed, tables.alpha, block.size);
    body(block, tables.passed);
  });
}

template <class T>
void backward_sums_of(const FusedLayer& layer, const FusedTables& tables, const T* x,
                      const T* other, ArrivingGradient gradient, GradientSums* sums,
                      double* alpha_sums, T* passed, ChunkRange chunks) {
  const std::int64_t size = tables.size(layer);
  const float* mean = tables.mean;
  float* sum = tables.sum;
  float* product = tables.product;
  for (std::int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    clear(tables.alpha, size);
    clear(sum, size);
    clear(product, size);
    for_each_passed(layer, tables, x, other, gradient, chunk, [&](Block block, const float* g) {
      if (sums != nullptr) {
        const T* in = x + block.begin;
        for (std::int64_t i = 0; i < block.size; ++i) {
          sum[i] += g[i];
          product[i] += g[i] * (to_float(in[i]) - mean[i]);
        }
      }
      if (passed != nullptr) {
        T* out = passed + block.begin;
        for (std::int64_t i = 0; i < block.size; ++i) from_float(g[i], out[i]);
      }
    });
    if (sums != nullptr) {
      GradientSums* out = sums + chunk * layer.channels;
      for (std::int64_t c = 0; c < layer.channels; ++c) out[c] = {};
      add_per_channel(layer, tables, sum, &out->gradient, 2);
      add_per_channel(layer, tables, product, &out->product, 2);
    }
    if (alpha_sums != nullptr) {
      double total = 0.0;
      for (std::int64_t i = 0; i < size; ++i) total += static_cast<double>(tables.alpha[i]);
      alpha_sums[chunk] = total;
    }
  }
}

template <class T>
void norm_backward_of(const FusedLayer& layer, const FusedTables& tables, const T* x,
                      const T* other, ArrivingGradient gradient, const T* passed, T* dx,
                      ChunkRange chunks) {
  const float* mean = tables.mean;
  const float* slope = tables.slope;
  const float* line = tables.line;
  const float* constant = tables.constant;
  const auto finish = [&](Block block, const auto* g) {
    const T* in = x + block.begin;
    T* out = dx + block.begin;
    for (std::int64_t i = 0; i < block.size; ++i)
      from_float(slope[i] * to_float(g[i]) + line[i] * (to_float(in[i]) - mean[i]) + constant[i],
                 out[i]);
  };
  for (std::int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    if (passed != nullptr) {
      for_each_block(layer, tables, chunk,
                     [&](Block block) { finish(block, passed + block.begin); });
    } else {
      for_each_passed(layer, tables, x, other, gradient, chunk, finish);
    }
  }
}

template <class T, Nonlinearity kKind>
void forward_kind(const FusedLayer& layer, const FusedTables& tables, const T* x, const T* other,
                  T* y, ChunkRange chunks) {
  const bool quantized = layer.quantizer.kind != ClampQuantizerKind::none;
  if (quantized && other != nullptr)
    return forward_of<T, kKind, true, true>(layer, tables, x, other, y, chunks);
  if (quantized) return forward_of<T, kKind, true, false>(layer, tables, x, other, y, chunks);
  if (other != nullptr)
    return forward_of<T, kKind, false, true>(layer, tables, x, other, y, chunks);
  forward_of<T, kKind, false, false>(layer, tables, x, other, y, chunks);
}

template <class T>
void forward_element(const FusedLayer& layer, const FusedTables& tables, const T* x, const T* other,
                     T* y, ChunkRange chunks) {
  switch (layer.nonlinearity.kind) {
    case Nonlinearity::clamp:
      return forward_kind<T, Nonlinearity::clamp>(layer, tables, x, other, y, chunks);
    case Nonlinearity::hard_swish:
      return forward_kind<T, Nonlinearity::hard_swish>(layer, tables, x, other, y, chunks);
    case Nonlinearity::hard_sigmoid:
      return forward_kind<T, Nonlinearity::hard_sigmoid>(layer, tables, x, other, y, chunks);
    case Nonlinearity::hard_sigmoid_fifth:
      return forward_kind<T, Nonlinearity::hard_sigmoid_fifth>(layer, tables, x, other, y, chunks);
  }
}

// Calls body with a null pointer of the layer's element type.
template <class Body>
void with_element(const FusedLayer& layer, Body body) {
  if (layer.element == Element::f32) return body(static_cast<const float*>(nullptr));
  body(static_cast<const BFloat16*>(nullptr));
}

template <class T>
const T* as(const T*, const void* array) {
  return static_cast<const T*>(array);
}
template <class T>
T* as(const T*, void* array) {
  return static_cast<T*>(array);
}

}  // namespace

void norm_sums(const FusedLayer& layer, const FusedTables& tables, const void* x, NormSums* sums,
               ChunkRange chunks) {
  with_element(layer, [&](auto* t) { norm_sums_of(layer, tables, as(t, x), sums, chunks); });
}

void fused_forward(const FusedLayer& layer, const FusedTables& tables, const void* x,
                   const void* other, void* y, ChunkRange chunks) {
  with_element(layer, [&](auto* t) {
    forward_element(layer, tables, as(t, x), as(t, other), as(t, y), chunks);
  });
}

void fused_backward_sums(const FusedLayer& layer, const FusedTables& tables, const void* x,
                         const void* other, ArrivingGradient gradient, GradientSums* sums,
                         double* alpha_sums, void* passed, ChunkRange chunks) {
  with_element(layer, [&](auto* t) {
    backward_sums_of(layer, tables, as(t, x), as(t, other), gradient, sums, alpha_sums,
                     as(t, passed), chunks);
  });
}

void norm_backward(const FusedLayer& layer, const FusedTables& tables, const void* x,
                   const void* other, ArrivingGradient gradient, const void* passed, void* dx,
                   ChunkRange chunks) {
  with_element(layer, [&](auto* t) {
    norm_backward_of(layer, tables, as(t, x), as(t, other), gradient, as(t, passed), as(t, dx),
                     chunks);
  });
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
