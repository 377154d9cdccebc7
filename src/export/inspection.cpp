#include "export/inspection.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "export/alphas.h"
#include "export/quantized_file.h"

namespace bitsweep::exporting {
namespace {

using nlohmann::json;

constexpr std::int64_t kMostSingleCodes = 32;

double mean_of(const std::vector<int>& bits) {
  double sum = 0;
  for (const int b : bits) sum += b;
  return sum / static_cast<double>(bits.size());
}

// The one value, or the smallest and the largest of several.
template <class Member>
json extent(const std::vector<kernels::AffineGrid>& grids, Member member) {
  const auto [low, high] = std::ranges::minmax(grids, {}, member);
  if (std::invoke(member, low) == std::invoke(member, high)) return std::invoke(member, low);
  return {std::invoke(member, low), std::invoke(member, high)};
}

void add_grids(json& row, const std::vector<int>& bits,
               const std::vector<kernels::AffineGrid>& grids) {
  row["bits"] = mean_of(bits);
  row["granularity"] = grids.size() == 1 ? "tensor" : "channel";
  row["scale"] = extent(grids, &kernels::AffineGrid::scale);
  row["zero_point"] = extent(grids, &kernels::AffineGrid::zero_point);
  row["qmin"] = extent(grids, &kernels::AffineGrid::qmin);
  row["qmax"] = extent(grids, &kernels::AffineGrid::qmax);
}

json row_of(const QuantizedNetwork& network, const WeightCodes& weight) {
  const std::string& name = network.graph.node(weight.node).name;
  json row = {{"name", name}, {"kind", "weight"}, {"quantizer", weight.quantizer}};
  add_statistics(row, network.parameters.values(name + ".weight"));
  if (weight.centroids.empty()) {
    add_grids(row, weight.bits, weight.grids);
  } else {
    row["bits"] = mean_of(weight.bits);
    row["granularity"] = weight.bits.size() == 1 ? "tensor" : "channel";
  }
  row["corrected"] = !weight.corrections.empty() || !weight.rescales.empty();
  return row;
}

json row_of(const QuantizedNetwork& network, const OutputGrid& output) {
  json row = {{"name", network.graph.node(output.node).name},
              {"kind", "output"},
              {"quantizer", output.quantizer},
              {"half_range", output.half_range}};
  add_grids(row, output.bits, output.grids);
  row["corrected"] = !output.positive_shifts.empty();
  if (output.clamp) row["alpha"] = output.clamp->alpha;
  return row;
}

Inspection inspect_network(const SafetensorsFile& file) {
  const QuantizedNetwork network = read_quantized(file);
  Inspection out;
  out.kind = "quantized network";
  const Recorded& recorded = network.recorded;
  std::int64_t before = 0, packed = 0;
  for (const LayerSize& size : layer_sizes(network)) {
    before += size.float_bytes;
    packed += size.packed_bytes;
  }
  out.about = {{"trial", network.key},
               {"name", network.name},
               {"network", network.graph.name()},
               {"recorded", fmt::format("{} of {} images right, top1 {:.4f}", recorded.correct,
                                        recorded.images, recorded.top1)},
               {"weights", fmt::format("{} packed, {} in float32",
                                       format_bytes(static_cast<std::uint64_t>(packed)),
                                       format_bytes(static_cast<std::uint64_t>(before)))}};
  for (const WeightCodes& weight : network.weights) out.rows.push_back(row_of(network, weight));
  for (const OutputGrid& output : network.outputs) out.rows.push_back(row_of(network, output));
  return out;
}

bool holds_floats(const TensorInfo& tensor) {
  return dtype_bytes(tensor.dtype) <= 2 || tensor.dtype == DType::f32 || tensor.dtype == DType::f64;
}

json row_of(const SafetensorsFile& file, const TensorInfo& tensor) {
  json row = {{"name", tensor.name},
              {"kind", "tensor"},
              {"dtype", dtype_name(tensor.dtype)},
              {"shape", tensor.shape},
              {"elements", tensor.elements()}};
  if (holds_floats(tensor)) add_statistics(row, to_float(file, tensor));
  return row;
}

Inspection inspect_tensors(const SafetensorsFile& file) {
  Inspection out;
  const auto format = file.metadata().find("format");
  const bool checkpoint =
      format != file.metadata().end() && format->second.starts_with("bitsweep checkpoint");
  out.kind = checkpoint ? "checkpoint" : "weights";
  constexpr std::size_t kLongest = 200;
  for (const auto& [name, value] : file.metadata()) {
    if (name == kAlphaMetadata) continue;
    out.about.emplace_back(name, value.size() > kLongest ? value.substr(0, kLongest) + "…" : value);
  }
  for (const TensorInfo& tensor : file.tensors()) out.rows.push_back(row_of(file, tensor));
  std::ranges::sort(out.rows, {},
                    [](const json& row) { return row.at("name").get<std::string>(); });
  const json alphas = alphas_of(file);
  for (const auto& [node, alpha] : alphas.items()) {
    out.rows.push_back({{"name", node}, {"kind", "alpha"}, {"alpha", alpha}});
  }
  return out;
}

template <class T, class Member>
json column(const std::vector<T>& rows, Member member) {
  json out = json::array();
  for (const T& row : rows) out.push_back(std::invoke(member, row));
  return out;
}

void add_channels(json& row, const std::vector<int>& bits,
                  const std::vector<kernels::AffineGrid>& grids) {
  row["channels"] = {{"bits", bits},
                     {"scale", column(grids, &kernels::AffineGrid::scale)},
                     {"zero_point", column(grids, &kernels::AffineGrid::zero_point)},
                     {"origin", column(grids, &kernels::AffineGrid::origin)},
                     {"qmin", column(grids, &kernels::AffineGrid::qmin)},
                     {"qmax", column(grids, &kernels::AffineGrid::qmax)}};
}

LayerInspection inspect_weight(const QuantizedNetwork& network, const WeightCodes& weight,
                               int bins) {
  LayerInspection out{row_of(network, weight), {}};
  if (weight.centroids.empty()) {
    add_channels(out.row, weight.bits, weight.grids);
  } else {
    out.row["channels"] = {{"bits", weight.bits}, {"centroids", weight.centroids}};
  }
  json& channels = out.row["channels"];
  if (!weight.corrections.empty()) {
    channels["correction_scale"] = column(weight.corrections, &quant::ChannelCorrection::scale);
    channels["correction_shift"] = column(weight.corrections, &quant::ChannelCorrection::shift);
  }
  if (!weight.rescales.empty()) channels["rescale"] = weight.rescales;
  const auto [low, high] = std::ranges::minmax(weight.codes);
  out.histogram = histogram_of(weight.codes, low, high, bins);
  return out;
}

[[noreturn]] void refuse_name(const SafetensorsFile& file, const std::string& name,
                              const std::vector<std::string>& known) {
  throw ConfigError(fmt::format("{}: {}", file.path().string(),
                                unknown_name_message("layer or tensor", name, known)));
}

}  // namespace

void add_statistics(json& row, std::span<const float> values) {
  row["elements"] = values.size();
  double sum = 0, squares = 0, min = INFINITY, max = -INFINITY;
  std::int64_t zeros = 0, finite = 0;
  for (const float value : values) {
    if (value == 0.0F) ++zeros;
    if (!std::isfinite(value)) continue;
    ++finite;
    sum += value;
    min = std::min<double>(min, value);
    max = std::max<double>(max, value);
  }
  row["zeros"] = zeros;
  if (finite < static_cast<std::int64_t>(values.size())) {
    row["not_finite"] = static_cast<std::int64_t>(values.size()) - finite;
  }
  if (finite == 0) return;
  const double mean = sum / static_cast<double>(finite);
  for (const float value : values) {
    if (std::isfinite(value)) squares += (value - mean) * (value - mean);
  }
  row["min"] = min;
  row["max"] = max;
  row["mean"] = mean;
  row["std"] = finite > 1 ? std::sqrt(squares / static_cast<double>(finite - 1)) : 0.0;
}

Histogram histogram_of(std::span<const std::int32_t> codes, std::int32_t lowest,
                       std::int32_t highest, int bins) {
  const std::int64_t span = std::int64_t{highest} - lowest + 1;
  // Whole codes in every bin, and the same number of them.
  const std::int64_t per_bin = span <= kMostSingleCodes ? 1 : (span + bins - 1) / bins;
  Histogram out;
  out.of_codes = true;
  out.width = static_cast<double>(per_bin);
  const std::int64_t count = (span + per_bin - 1) / per_bin;
  out.count.resize(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    out.lower.push_back(static_cast<double>(lowest + i * per_bin));
  }
  for (const std::int32_t code : codes) {
    ++out.count[static_cast<std::size_t>((std::int64_t{code} - lowest) / per_bin)];
  }
  return out;
}

Histogram histogram_of(std::span<const float> values, int bins) {
  Histogram out;
  double low = INFINITY, high = -INFINITY;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min<double>(low, value);
    high = std::max<double>(high, value);
  }
  if (!(low <= high)) return out;
  if (low == high) bins = 1;
  out.width = low == high ? 0 : (high - low) / bins;
  out.count.resize(static_cast<std::size_t>(bins));
  for (int i = 0; i < bins; ++i) out.lower.push_back(low + i * out.width);
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const auto bin = out.width > 0 ? static_cast<int>((value - low) / out.width) : 0;
    ++out.count[static_cast<std::size_t>(std::min(bin, bins - 1))];
  }
  return out;
}

std::string to_text(const Histogram& histogram, std::size_t width) {
  constexpr std::size_t kLabels = 24;  // "  lower  count " before the bar
  const std::size_t room = std::max<std::size_t>(width, kLabels + 8) - kLabels;
  std::int64_t most = 1;
  for (const std::int64_t count : histogram.count) most = std::max(most, count);
  std::string out;
  for (std::size_t i = 0; i < histogram.count.size(); ++i) {
    const std::string label = histogram.of_codes
                                  ? fmt::format("{}", static_cast<std::int64_t>(histogram.lower[i]))
                                  : fmt::format("{:.4g}", histogram.lower[i]);
    const auto bar = static_cast<std::size_t>(
        std::llround(static_cast<double>(histogram.count[i]) / static_cast<double>(most) *
                     static_cast<double>(room)));
    out += fmt::format("{:>11} {:>11} {}\n", label, format_count(histogram.count[i]),
                       std::string(bar, '#'));
  }
  return out;
}

json to_json(const Histogram& histogram) {
  return {{"of", histogram.of_codes ? "codes" : "values"},
          {"width", histogram.width},
          {"lower", histogram.lower},
          {"count", histogram.count}};
}

Inspection inspect(const SafetensorsFile& file) {
  return is_quantized_file(file) ? inspect_network(file) : inspect_tensors(file);
}

LayerInspection inspect_layer(const SafetensorsFile& file, const std::string& name, int bins) {
  std::vector<std::string> known;
  if (!is_quantized_file(file)) {
    if (const TensorInfo* tensor = file.find(name)) {
      LayerInspection out{row_of(file, *tensor), {}};
      if (holds_floats(*tensor)) out.histogram = histogram_of(to_float(file, *tensor), bins);
      return out;
    }
    for (const TensorInfo& tensor : file.tensors()) known.push_back(tensor.name);
    refuse_name(file, name, known);
  }
  const QuantizedNetwork network = read_quantized(file);
  const graph::NodeId node = network.graph.find(name);
  if (node >= 0) {
    if (const WeightCodes* weight = network.weight_of(node)) {
      LayerInspection out = inspect_weight(network, *weight, bins);
      if (const OutputGrid* output = network.output_of(node)) {
        json& row = out.row["output"] = row_of(network, *output);
        add_channels(row, output->bits, output->grids);
      }
      return out;
    }
    if (const OutputGrid* output = network.output_of(node)) {
      LayerInspection out{row_of(network, *output), {}};
      add_channels(out.row, output->bits, output->grids);
      return out;
    }
  }
  for (const WeightCodes& weight : network.weights) {
    known.push_back(network.graph.node(weight.node).name);
  }
  for (const OutputGrid& output : network.outputs) {
    known.push_back(network.graph.node(output.node).name);
  }
  refuse_name(file, name, known);
}

}  // namespace bitsweep::exporting
