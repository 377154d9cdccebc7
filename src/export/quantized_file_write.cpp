#include <algorithm>
#include <nlohmann/json.hpp>

#include "export/graph_json.h"
#include "export/packing.h"
#include "export/quantized_file_names.h"
#include "export/scaled_integer.h"
#include "export/tensor_bag.h"

namespace bitsweep::exporting {
namespace {

using kernels::AffineGrid;
using nlohmann::json;

template <class T, class Member>
std::vector<T> column(const auto& rows, Member member) {
  std::vector<T> out;
  for (const auto& row : rows) out.push_back(static_cast<T>(std::invoke(member, row)));
  return out;
}

void add_bits(TensorBag& bag, const std::string& prefix, const std::vector<int>& bits) {
  bag.add(prefix + ".bits", std::vector<std::uint8_t>(bits.begin(), bits.end()));
}

void add_grids(TensorBag& bag, const std::string& prefix, const std::vector<AffineGrid>& grids) {
  bag.add(prefix + ".scale", column<float>(grids, &AffineGrid::scale));
  bag.add(prefix + ".zero_point", column<float>(grids, &AffineGrid::zero_point));
  bag.add(prefix + ".origin", column<float>(grids, &AffineGrid::origin));
  bag.add(prefix + ".qmin", column<std::int32_t>(grids, &AffineGrid::qmin));
  bag.add(prefix + ".qmax", column<std::int32_t>(grids, &AffineGrid::qmax));
}

void add_centroids(TensorBag& bag, const std::string& prefix,
                   const std::vector<std::vector<float>>& centroids) {
  std::vector<std::int32_t> counts;
  std::vector<float> all;
  for (const std::vector<float>& table : centroids) {
    counts.push_back(static_cast<std::int32_t>(table.size()));
    all.insert(all.end(), table.begin(), table.end());
  }
  bag.add(prefix + ".centroid_count", counts);
  bag.add(prefix + ".centroids", all);
}

void add_scaled_integers(TensorBag& bag, const std::string& prefix,
                         const std::vector<ScaledInteger>& values) {
  bag.add(prefix + "_mantissa", column<std::int32_t>(values, &ScaledInteger::mantissa));
  bag.add(prefix + "_exponent", column<std::int8_t>(values, &ScaledInteger::exponent));
}

PackedLayout layout_of(const WeightCodes& weight) {
  return {weight.bits, static_cast<std::int64_t>(weight.codes.size() / weight.bits.size())};
}

json add_weight(TensorBag& bag, const QuantizedNetwork& network, const WeightCodes& weight) {
  const graph::Node& node = network.graph.node(weight.node);
  const std::string prefix = node.name + ".weight";
  const PackedLayout layout = layout_of(weight);
  std::vector<std::int32_t> from_zero = weight.codes;
  for (std::size_t i = 0; i < from_zero.size() && !weight.grids.empty(); ++i) {
    from_zero[i] -= weight.grids[i / static_cast<std::size_t>(layout.per_channel)].qmin;
  }
  const std::vector<std::byte> packed = pack(from_zero, layout);
  bag.add<std::uint8_t>(prefix + ".packed",
                        {reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()},
                        {static_cast<std::int64_t>(packed.size())});
  add_bits(bag, prefix, weight.bits);
  if (weight.centroids.empty()) {
    add_grids(bag, prefix, weight.grids);
  } else {
    add_centroids(bag, prefix, weight.centroids);
  }
  if (!weight.rescales.empty()) bag.add(prefix + ".rescale", weight.rescales);
  if (!weight.corrections.empty()) {
    bag.add(prefix + ".correction_scale",
            column<double>(weight.corrections, &quant::ChannelCorrection::scale));
    bag.add(prefix + ".correction_shift",
            column<double>(weight.corrections, &quant::ChannelCorrection::shift));
  }
  const auto integers = integer_corrections(weight, node.output.channels);
  if (!integers.empty()) {
    bag.add(prefix + ".corrected_step", column<float>(integers, &IntegerCorrection::step));
    add_scaled_integers(bag, prefix + ".window_offset",
                        column<ScaledInteger>(integers, &IntegerCorrection::offset));
  }
  json out = {{"layer", node.name}, {"quantizer", weight.quantizer}};
  if (weight.normalized) {
    out["normalized"] = {
        {"kind", word_of(kNormalized, static_cast<std::size_t>(weight.normalized->kind))},
        {"bits", weight.normalized->bits}};
    bag.add(prefix + ".mean_abs", std::vector<double>{weight.mean_abs});
  }
  return out;
}

json to_json(const kernels::Rounding& rounding) {
  return {{"ties", word_of(kTies, static_cast<std::size_t>(rounding.ties))},
          {"scaling", word_of(kScalings, static_cast<std::size_t>(rounding.scaling))},
          {"zero_point", word_of(kZeroPointOrders, static_cast<std::size_t>(rounding.zero_point))}};
}

json add_output(TensorBag& bag, const QuantizedNetwork& network, const OutputGrid& output) {
  const std::string& name = network.graph.node(output.node).name;
  const std::string prefix = name + ".output";
  json out = {{"node", name},
              {"quantizer", output.quantizer},
              {"half_range", output.half_range},
              {"rounding", to_json(output.rounding)}};
  add_bits(bag, prefix, output.bits);
  add_grids(bag, prefix, output.grids);
  bag.add(prefix + ".range_lower", column<float>(output.ranges, &kernels::RealRange::lower));
  bag.add(prefix + ".range_length", column<float>(output.ranges, &kernels::RealRange::length));
  if (!output.positive_shifts.empty()) {
    bag.add(prefix + ".positive_shift", output.positive_shifts);
    add_scaled_integers(bag, prefix + ".positive_shift", integer_shifts(output));
  }
  if (output.clamp) {
    const kernels::ClampQuantizer& quantizer = output.clamp->quantizer;
    out["clamp"] = {{"kind", word_of(kClamps, static_cast<std::size_t>(quantizer.kind))},
                    {"bits", quantizer.bits}};
    bag.add(prefix + ".clamp",
            std::vector<float>{quantizer.factor, quantizer.clip, output.clamp->alpha});
  }
  return out;
}

void add_normalization(TensorBag& bag, const data::Normalization& normalization) {
  std::vector<float> values;
  for (const auto& channel : normalization.value) {
    values.insert(values.end(), channel.begin(), channel.end());
  }
  bag.add<float>(kInputValues, values, {3, 256});
  bag.add(kInputSource,
          std::vector<std::int32_t>(normalization.source.begin(), normalization.source.end()));
}

}  // namespace

void write_quantized(const std::filesystem::path& path, const QuantizedNetwork& network) {
  TensorBag bag;
  json weights = json::array();
  for (const WeightCodes& weight : network.weights) {
    weights.push_back(add_weight(bag, network, weight));
  }
  json outputs = json::array();
  for (const OutputGrid& output : network.outputs) {
    outputs.push_back(add_output(bag, network, output));
  }
  for (const graph::TensorSpec& spec : network.parameters.specs()) {
    if (!has_codes(network, spec))
      bag.add(spec.name, network.parameters.values(spec.name), spec.shape);
  }
  add_normalization(bag, network.normalization);
  json relus = json::array();
  for (std::size_t id = 0; id < network.skipped.size(); ++id) {
    if (network.skipped[id]) relus.push_back(network.graph.nodes()[id].name);
  }
  write_checked(path, bag,
                {{"key", network.key},
                 {"name", network.name},
                 {"settings", network.settings},
                 {"graph", graph_to_json(network.graph)},
                 {"performed_relus", relus},
                 {"weights", weights},
                 {"outputs", outputs},
                 {"recorded", to_json(network.recorded)}},
                kQuantizedDocument);
}

}  // namespace bitsweep::exporting
