#include "export/quantized_network.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "export/packing.h"
#include "export/scaled_integer.h"
#include "kernels/fake_quantize.h"

namespace bitsweep::exporting {
namespace {

// Bytes that the file spends on a channel's grid, and on its correction (docs/formats.md).
constexpr std::int64_t kGridBytes = 1 + 5 * 4;
constexpr std::int64_t kCorrectionBytes = 2 * 8;
constexpr std::int64_t kRescaleBytes = 8;
constexpr std::int64_t kIntegerCorrectionBytes = 4 + 4 + 1;
constexpr std::int64_t kTableBytes = 1 + 4;  // and its centroids

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

// Calls run(first element, elements, i) for each of `tables` equal parts of a weight.
template <class Run>
void for_each_part(std::size_t elements, std::size_t tables, Run run) {
  const std::size_t size = elements / tables;
  for (std::size_t i = 0; i < tables; ++i) run(i * size, size, i);
}

std::vector<float> decode_centroids(const WeightCodes& weight) {
  std::vector<float> out(weight.codes.size());
  for_each_part(out.size(), weight.centroids.size(),
                [&](std::size_t first, std::size_t count, std::size_t i) {
                  for (std::size_t k = first; k < first + count; ++k) {
                    out[k] = weight.centroids[i].at(static_cast<std::size_t>(weight.codes[k]));
                  }
                });
  return out;
}

std::vector<float> decode_grids(const WeightCodes& weight, std::int64_t channels) {
  const auto n = static_cast<std::int64_t>(weight.codes.size());
  const auto grids = static_cast<std::int64_t>(weight.grids.size());
  BITSWEEP_CHECK(grids == 1 || grids == channels, "{} grids for {} channels", grids, channels);
  std::vector<float> out(weight.codes.size());
  kernels::dequantize_cpu(weight.codes.data(), out.data(), {1, grids, n / grids},
                          weight.grids.data());
  return out;
}

// Of grids or tables and of corrections, as the file has them.
std::int64_t side_bytes(const WeightCodes& weight, std::int64_t channels) {
  std::int64_t out = static_cast<std::int64_t>(weight.grids.size()) * kGridBytes;
  for (const std::vector<float>& table : weight.centroids) {
    out += kTableBytes + 4 * static_cast<std::int64_t>(table.size());
  }
  out += static_cast<std::int64_t>(weight.corrections.size()) * kCorrectionBytes;
  out += static_cast<std::int64_t>(weight.rescales.size()) * kRescaleBytes;
  return out + static_cast<std::int64_t>(integer_corrections(weight, channels).size()) *
                   kIntegerCorrectionBytes;
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
  std::vector<float> out =
      weight.centroids.empty() ? decode_grids(weight, channels) : decode_centroids(weight);
  if (!weight.corrections.empty()) quant::apply_corrections(weight.corrections, out);
  if (!weight.rescales.empty()) quant::rescale(weight.rescales, out);
  return out;
}

quant::ChannelCorrection correction_of(const WeightCodes& weight, std::size_t channel) {
  quant::ChannelCorrection out;
  if (!weight.corrections.empty()) out = weight.corrections[channel];
  if (weight.rescales.empty()) return out;
  return {weight.rescales[channel] * out.scale, weight.rescales[channel] * out.shift};
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
      const auto parts = static_cast<std::int64_t>(weight->bits.size());
      const PackedLayout layout{weight->bits, size.weights / parts};
      size.packed_bytes = layout.bytes();
      size.bits = std::accumulate(weight->bits.begin(), weight->bits.end(), 0.0) /
                  static_cast<double>(parts);
      size.grid_bytes = side_bytes(*weight, node.output.channels);
    }
    out.push_back(size);
  }
  return out;
}

nlohmann::json to_json(const Recorded& recorded) {
  return {{"images", recorded.images},
          {"correct", recorded.correct},
          {"top1", recorded.top1},
          {"top5", recorded.top5},
          {"loss", recorded.loss},
          {"bitmap_sha256", recorded.bitmap_sha256},
          {"logits_sha256", recorded.logits_sha256},
          {"fingerprint", recorded.fingerprint}};
}

}  // namespace bitsweep::exporting
