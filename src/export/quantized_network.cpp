#include "export/quantized_network.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "export/packing.h"
#include "kernels/fake_quantize.h"

namespace bitsweep::exporting {
namespace {

// Bytes that the file spends on a channel's grid, and on its correction (docs/formats.md).
constexpr std::int64_t kGridBytes = 1 + 5 * 4;
constexpr std::int64_t kCorrectionBytes = 2 * 8 + 4 + 4 + 1;

std::vector<float> decode_normalized(const WeightCodes& weight) {
  const kernels::WeightQuantizer& quantizer = *weight.normalized;
  const double steps = kernels::weight_steps(quantizer);
  const kernels::WeightRounding rounding = kernels::weight_rounding(quantizer);
  std::vector<float> out;
  out.reserve(weight.codes.size());
  for (const std::int32_t code : weight.codes) {
    out.push_back(kernels::weight_of_code(kernels::weight_code_of_number(code, quantizer), steps,
                                          weight.mean_abs, rounding));
  }
  return out;
}

}  // namespace

const WeightCodes* QuantizedNetwork::weight_of(graph::NodeId node) const {
  const auto it = std::ranges::find(weights, node, &WeightCodes::node);
  return it == weights.end() ? nullptr : &*it;
}

const OutputGrid* QuantizedNetwork::output_of(graph::NodeId node) const {
  const auto it = std::ranges::find(outputs, node, &OutputGrid::node);
  return it == outputs.end() ? nullptr : &*it;
}

bool QuantizedNetwork::is_trained() const { return settings.value("kind", "") == "train"; }

std::vector<float> decode(const WeightCodes& weight, std::int64_t channels) {
  if (weight.normalized) return decode_normalized(weight);
  const auto n = static_cast<std::int64_t>(weight.codes.size());
  const auto grids = static_cast<std::int64_t>(weight.grids.size());
  BITSWEEP_CHECK(grids == 1 || grids == channels, "{} grids for {} channels", grids, channels);
  std::vector<float> out(weight.codes.size());
  kernels::dequantize_cpu(weight.codes.data(), out.data(), {1, grids, n / grids},
                          weight.grids.data());
  if (!weight.corrections.empty()) quant::apply_corrections(weight.corrections, out);
  return out;
}

kernels::AffineGrid with_a_code(const kernels::AffineGrid& grid, float value) {
  return grid.scale == 0.0F ? kernels::constant_grid(value) : grid;
}

std::vector<LayerSize> layer_sizes(const QuantizedNetwork& network) {
  std::vector<LayerSize> out;
  for (std::size_t id = 0; id < network.graph.nodes().size(); ++id) {
    const graph::Node& node = network.graph.nodes()[id];
    if (!node.has_weight()) continue;
    LayerSize size;
    size.layer = node.name;
    size.weights =
        static_cast<std::int64_t>(network.parameters.values(node.name + ".weight").size());
    size.float_bytes = 4 * size.weights;
    size.packed_bytes = size.float_bytes;
    if (network.parameters.contains(node.name + ".bias")) {
      size.other_bytes =
          4 * static_cast<std::int64_t>(network.parameters.values(node.name + ".bias").size());
    }
    if (const WeightCodes* weight = network.weight_of(static_cast<graph::NodeId>(id))) {
      const auto grids = static_cast<std::int64_t>(weight->grids.size());
      const PackedLayout layout{weight->bits, size.weights / grids};
      size.packed_bytes = layout.bytes();
      size.bits = std::accumulate(weight->bits.begin(), weight->bits.end(), 0.0) /
                  static_cast<double>(grids);
      size.grid_bytes = grids * kGridBytes +
                        static_cast<std::int64_t>(weight->corrections.size()) * kCorrectionBytes;
    }
    out.push_back(size);
  }
  return out;
}

}  // namespace bitsweep::exporting
