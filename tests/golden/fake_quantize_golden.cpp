// torch.fake_quantize_* and ONNX QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
#include "core/error.h"
#include "golden.h"
#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"
#include "kernels/range_math.h"

namespace bitsweep::golden {
namespace {

using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::Rounding;

// One grid, or one per channel or element: `layout` says which element uses which.
struct Grids {
  ChannelLayout layout;
  std::vector<AffineGrid> grids;
};

std::size_t resolved_axis(const Case& golden, const Array& x) {
  const int axis = golden.get<int>("axis"), rank = static_cast<int>(x.shape.size());
  if (axis < -rank || axis >= rank) throw DataError(fmt::format("axis {} of {} axes", axis, rank));
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

// [outer, axis, inner] of an array.
ChannelLayout around_axis(const Array& x, std::size_t axis) {
  ChannelLayout layout{1, x.shape[axis], 1};
  for (std::size_t i = 0; i < axis; ++i) layout.outer *= x.shape[i];
  for (std::size_t i = axis + 1; i < x.shape.size(); ++i) layout.inner *= x.shape[i];
  return layout;
}

// The grid of every element of x where an axis is cut into blocks with a scale each: scales have
// the shape of x with that axis divided by the block size.
std::vector<std::size_t> block_of_element(const ChannelLayout& layout, std::int64_t block_size) {
  const std::int64_t blocks = (layout.channels + block_size - 1) / block_size;
  std::vector<std::size_t> out;
  for (std::int64_t outer = 0; outer < layout.outer; ++outer)
    for (std::int64_t channel = 0; channel < layout.channels; ++channel)
      for (std::int64_t inner = 0; inner < layout.inner; ++inner)
        out.push_back(static_cast<std::size_t>(
            (outer * blocks + channel / block_size) * layout.inner + inner));
  return out;
}

Grids read_grids(const Case& golden, const Array& x, int qmin, int qmax) {
  const Array scale = golden.param("scale");
  Array zero_point{"", {}, std::vector<double>(scale.data.size(), 0.0)};
  if (golden.has("zero_point")) zero_point = golden.param("zero_point");
  const auto grid_at = [&](std::size_t i) {
    const double z = zero_point.data[zero_point.data.size() == 1 ? 0 : i];
    return AffineGrid{static_cast<float>(scale.data.at(i)), static_cast<float>(z), qmin, qmax};
  };
  const auto n = static_cast<std::int64_t>(x.data.size());
  if (!golden.has("axis") || scale.data.size() == 1)
    return {kernels::whole_tensor(n), {grid_at(0)}};

  const ChannelLayout layout = around_axis(x, resolved_axis(golden, x));
  Grids out;
  if (golden.has("block_size")) {
    out.layout = {1, n, 1};  // a grid per element
    for (const std::size_t block : block_of_element(layout, golden.get<int>("block_size")))
      out.grids.push_back(grid_at(block));
  } else {
    out.layout = layout;
    for (std::size_t i = 0; i < static_cast<std::size_t>(layout.channels); ++i)
      out.grids.push_back(grid_at(i));
  }
  return out;
}

std::vector<std::int32_t> quantized(const std::vector<float>& x, const Grids& grids,
                                    Rounding rounding) {
  std::vector<std::int32_t> codes(x.size());
  kernels::quantize_cpu(x.data(), codes.data(), grids.layout, grids.grids.data(), rounding);
  return codes;
}

std::vector<float> dequantized(const std::vector<std::int32_t>& codes, const Grids& grids) {
  std::vector<float> y(codes.size());
  kernels::dequantize_cpu(codes.data(), y.data(), grids.layout, grids.grids.data());
  return y;
}

Json torch_fake_quantize(const Case& golden) {
  const Array x = golden.input("x");
  const std::vector<float> values = x.floats();
  const Grids grids =
      read_grids(golden, x, golden.get<int>("quant_min"), golden.get<int>("quant_max"));
  std::vector<float> y(values.size());
  std::vector<std::uint32_t> bits(
      static_cast<std::size_t>(kernels::mask_words(static_cast<std::int64_t>(values.size()))));
  kernels::fake_quantize_cpu(values.data(), y.data(), bits.data(), grids.layout, grids.grids.data(),
                             kernels::kTorchRounding);

  std::vector<float> grad = golden.input("grad_out").floats();
  std::vector<std::uint8_t> mask(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    mask[i] = static_cast<std::uint8_t>(bits[i / 32] >> (i % 32) & 1u);
    if (mask[i] == 0) grad[i] = 0.0f;
  }
  const auto codes = quantized(values, grids, kernels::kTorchRounding);
  return {{"y", pack(y, x.shape)},
          {"codes", pack(codes, x.shape)},
          {"mask", pack(mask, x.shape)},
          {"grad_x", pack(grad, x.shape)}};
}

Json onnx_quantize(const Case& golden) {
  const Array x = golden.input("x");
  const Grids grids = read_grids(golden, x, golden.get<int>("qmin"), golden.get<int>("qmax"));
  const auto codes = quantized(x.floats(), grids, Rounding{});
  return {{"q", pack(codes, x.shape)}, {"y", pack(dequantized(codes, grids), x.shape)}};
}

Json onnx_dequantize(const Case& golden) {
  const Array q = golden.input("q");
  const Grids grids = read_grids(golden, q, INT32_MIN, INT32_MAX);  // the ends play no part
  return {{"y", pack(dequantized(q.ints(), grids), q.shape)}};
}

Json onnx_dynamic(const Case& golden) {
  const Array x = golden.input("x");
  const std::vector<float> values = x.floats();
  const auto n = static_cast<std::int64_t>(values.size());
  const kernels::MinMax extremes = kernels::min_max_cpu(values.data(), n);
  const AffineGrid grid = kernels::onnx_dynamic_grid(extremes.min, extremes.max);
  const auto codes = quantized(values, {kernels::whole_tensor(n), {grid}}, Rounding{});
  return {{"q", pack(codes, x.shape)}, {"scale", grid.scale}, {"zero_point", grid.zero_point}};
}

}  // namespace

void register_fake_quantize(Handlers& handlers) {
  handlers.add(
      {"torch_fake_quantize", {"tensor", "channel", "nonfinite"}, nullptr, torch_fake_quantize});
  handlers.add({"onnx_quantize_linear", {""}, nullptr, onnx_quantize});
  handlers.add({"onnx_quantize_linear", {"dequantize"}, nullptr, onnx_dequantize});
  handlers.add({"onnx_quantize_linear", {"dynamic"}, nullptr, onnx_dynamic});
}

}  // namespace bitsweep::golden
