#include "integer/inspection.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "integer/file.h"
#include "integer/structure.h"

namespace bitsweep::integer {
namespace {

using nlohmann::json;

json extent(const std::vector<std::int32_t>& values) {
  const auto [low, high] = std::ranges::minmax(values);
  return {low, high};
}

json shape_of(const graph::Shape& shape) { return {shape.channels, shape.height, shape.width}; }

// Everything of a step that is not a tensor.
struct Fields {
  json& row;
  const Network& network;

  void weights(const Weights& weights, json shape) const {
    row["shape"] = std::move(shape);
    row["bits"] = weights.bits;
    row["scale"] = weights.scale;
    // Codes of up to 16 bits are exact in float32.
    exporting::add_statistics(row, std::vector<float>(weights.codes.begin(), weights.codes.end()));
  }
  void multipliers(const std::vector<std::int32_t>& values) const {
    row["multiplier"] = extent(values);
    row["multipliers"] = values.size();
  }
  void offsets(const std::vector<std::int32_t>& values) const {
    if (!values.empty()) row["offset"] = extent(values);
  }

  void operator()(const Layer& s) const {
    const graph::Convolution& c = s.shape;
    weights(s.weights,
            s.linear ? json{c.out_channels, c.in_channels}
                     : json{c.out_channels, c.in_channels / c.groups, c.kernel[0], c.kernel[1]});
    const Requantization& r = s.requantization;
    multipliers(r.multiplier);
    offsets(r.offset);
    if (s.other != kNone) row["other_multiplier"] = r.other_multiplier;
    row["fraction_bits"] = r.fraction_bits;
    row["added_shift"] = r.added_shift;
    row["input_shift"] = s.input_shift;
  }
  void operator()(const Combination& s) const {
    multipliers(s.multipliers[0]);
    if (s.multipliers.size() > 1) row["other_multiplier"] = extent(s.multipliers[1]);
    offsets(s.offset);
    row["fraction_bits"] = s.fraction_bits;
  }
  void operator()(const MeanPool& s) const {
    multipliers({s.multiplier});
    row["fraction_bits"] = s.fraction_bits;
  }
  void operator()(const Classifier& s) const {
    weights(s.weights, {s.out_features, s.in_features});
  }
  void operator()(const MaxPool&) const {}
  void operator()(const ShortcutPad&) const {}
};

// What a step reads, the first one first.
struct Inputs {
  std::vector<TensorId> operator()(const Layer& s) const {
    return s.other == kNone ? std::vector{s.input} : std::vector{s.input, s.other};
  }
  std::vector<TensorId> operator()(const Combination& s) const { return s.inputs; }
  std::vector<TensorId> operator()(const auto& s) const { return {s.input}; }
};

void add_tensor(json& row, const std::string& side, const Tensor& tensor) {
  row[side] = tensor.name;
  row[side + "_scale"] = tensor.scale;
  row[side + "_low"] = tensor.low;
  row[side + "_high"] = tensor.high;
}

json row_of(const Network& network, const Step& step, const json& alphas) {
  json row = {{"name", step_name(step)}, {"kind", step_kind(step)}};
  std::visit(Fields{row, network}, step);
  const std::vector<TensorId> inputs = std::visit(Inputs(), step);
  add_tensor(row, "input", network.tensor(inputs[0]));
  if (inputs.size() > 1) row["other"] = network.tensor(inputs[1]).name;
  const TensorId output = output_of(step);
  if (output == kNone) return row;
  const Tensor& tensor = network.tensor(output);
  add_tensor(row, "output", tensor);
  row["quantized"] = tensor.quantized;
  const auto alpha = alphas.find(tensor.name);
  if (alpha != alphas.end()) row["alpha"] = *alpha;
  if (!row.contains("shape")) row["shape"] = shape_of(tensor.shape);
  return row;
}

json alphas_of(const json& about) { return about.value("alpha", json::object()); }

}  // namespace

exporting::Inspection inspect(const exporting::SafetensorsFile& file) {
  const Network network = load(file);
  const json about = about_of(file);
  exporting::Inspection out;
  out.kind = "network in whole numbers";
  const Settings& s = network.settings;
  const Tensor& input = network.input();
  out.about = {{"trial", about.value("key", "")},
               {"name", about.value("name", "")},
               {"network", network.name},
               {"formats", fmt::format("ends {}, middle {}, norm {}; {}; {}", to_string(s.ends),
                                       to_string(s.middle), to_string(s.norm),
                                       to_string(s.rounding), to_string(s.variant))},
               {"input", fmt::format("{} × {} × {}, code / {}, {} … {}", input.shape.channels,
                                     input.shape.height, input.shape.width, input.scale, input.low,
                                     input.high)}};
  for (const Step& step : network.steps) {
    out.rows.push_back(row_of(network, step, alphas_of(about)));
  }
  return out;
}

exporting::LayerInspection inspect_step(const exporting::SafetensorsFile& file,
                                        const std::string& name, int bins) {
  const Network network = load(file);
  std::vector<std::string> known;
  for (const Step& step : network.steps) known.push_back(step_name(step));
  const auto found = std::ranges::find(known, name);
  if (found == known.end()) {
    throw ConfigError(
        fmt::format("{}: {}", file.path().string(), unknown_name_message("layer", name, known)));
  }
  const Step& step = network.steps[static_cast<std::size_t>(found - known.begin())];
  exporting::LayerInspection out{row_of(network, step, alphas_of(about_of(file))), {}};
  for (const IntegerArray& array : arrays_of(network)) {
    if (!array.name.starts_with(name + ".") || array.real) continue;
    const std::string what = array.name.substr(name.size() + 1);
    if (what == "weight") {
      const auto [low, high] = std::ranges::minmax(array.values);
      out.histogram = exporting::histogram_of(array.values, low, high, bins);
    } else if (what == "multiplier" || what == "offset" || what == "other_multiplier") {
      out.row["channels"][what] = json(std::vector(array.values.begin(), array.values.end()));
    }
  }
  return out;
}

}  // namespace bitsweep::integer
