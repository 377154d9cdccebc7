// The structure of integer/file.h: a network as JSON, without its arrays, and back.
#include "integer/structure.h"

#include <algorithm>

#include "core/error.h"

namespace bitsweep::integer {
namespace {

using nlohmann::json;

json format_to(kernels::FixedPoint format) {
  return json::array({format.bits, format.integer_bits});
}

kernels::FixedPoint format_from(const json& value) {
  return {value.at(0).get<int>(), value.at(1).get<int>()};
}

json settings_to(const Settings& s) {
  return {{"ends", format_to(s.ends)},
          {"middle", format_to(s.middle)},
          {"norm", format_to(s.norm)},
          {"rounding", to_string(s.rounding)},
          {"variant", to_string(s.variant)},
          {"unquantized_activation", format_to(s.unquantized_activation)},
          {"unquantized_weight_bits", s.unquantized_weight_bits},
          {"input", format_to(s.input)}};
}

// The one of `all` whose text stands in `value`.
template <class T>
T word_from(const json& value, std::initializer_list<T> all) {
  const auto text = value.get<std::string>();
  for (const T word : all) {
    if (text == to_string(word)) return word;
  }
  throw DataError(fmt::format("'{}' is no known word there", text));
}

Settings settings_from(const json& value) {
  Settings s;
  s.ends = format_from(value.at("ends"));
  s.middle = format_from(value.at("middle"));
  s.norm = format_from(value.at("norm"));
  s.rounding = word_from(value.at("rounding"),
                         {kernels::FixedRounding::truncate, kernels::FixedRounding::nearest});
  s.variant = word_from(value.at("variant"), {Variant::corrected, Variant::document});
  s.unquantized_activation = format_from(value.at("unquantized_activation"));
  s.unquantized_weight_bits = value.at("unquantized_weight_bits").get<int>();
  s.input = format_from(value.at("input"));
  return s;
}

json padding_to(const graph::Padding& p) { return json::array({p.top, p.left, p.bottom, p.right}); }

graph::Padding padding_from(const json& v) {
  return {v.at(0).get<int>(), v.at(1).get<int>(), v.at(2).get<int>(), v.at(3).get<int>()};
}

json weights_to(const Weights& weights) {
  return {{"bits", weights.bits}, {"scale", weights.scale}};
}

json tensor_to(const Tensor& t) {
  return {{"name", t.name},
          {"shape", json::array({t.shape.channels, t.shape.height, t.shape.width})},
          {"scale", t.scale},
          {"low", t.low},
          {"high", t.high},
          {"bits", t.bits()},
          {"quantized", t.quantized}};
}

Tensor tensor_from(const json& v) {
  const json& shape = v.at("shape");
  return {.name = v.at("name").get<std::string>(),
          .shape = {shape.at(0).get<std::int64_t>(), shape.at(1).get<std::int64_t>(),
                    shape.at(2).get<std::int64_t>()},
          .scale = v.at("scale").get<double>(),
          .low = v.at("low").get<std::int32_t>(),
          .high = v.at("high").get<std::int32_t>(),
          .quantized = v.at("quantized").get<bool>()};
}

struct StepTo {
  json operator()(const Layer& s) const {
    return {{"input", s.input},
            {"other", s.other},
            {"output", s.output},
            {"channels", json::array({s.shape.in_channels, s.shape.out_channels})},
            {"kernel", s.shape.kernel},
            {"stride", s.shape.stride},
            {"padding", padding_to(s.shape.padding)},
            {"dilation", s.shape.dilation},
            {"groups", s.shape.groups},
            {"weight", weights_to(s.weights)},
            {"input_shift", s.input_shift},
            {"multipliers", s.requantization.multiplier.size()},
            {"has_offset", !s.requantization.offset.empty()},
            {"other_multiplier", s.requantization.other_multiplier},
            {"fraction_bits", s.requantization.fraction_bits},
            {"added_shift", s.requantization.added_shift}};
  }
  json operator()(const Combination& s) const {
    json multipliers = json::array();
    for (const auto& list : s.multipliers) multipliers.push_back(list.size());
    return {{"inputs", s.inputs},
            {"output", s.output},
            {"multipliers", multipliers},
            {"has_offset", !s.offset.empty()},
            {"fraction_bits", s.fraction_bits}};
  }
  json operator()(const MeanPool& s) const {
    return {{"input", s.input},
            {"output", s.output},
            {"multiplier", s.multiplier},
            {"fraction_bits", s.fraction_bits},
            {"whole_mean", s.whole_mean}};
  }
  json operator()(const MaxPool& s) const {
    return {{"input", s.input},
            {"output", s.output},
            {"kernel", s.shape.kernel},
            {"stride", s.shape.stride},
            {"padding", padding_to(s.shape.padding)}};
  }
  json operator()(const ShortcutPad& s) const {
    return {{"input", s.input},
            {"output", s.output},
            {"stride", s.shape.stride},
            {"channels_before", s.shape.channels_before},
            {"channels_after", s.shape.channels_after}};
  }
  json operator()(const Classifier& s) const {
    return {{"input", s.input},
            {"features", json::array({s.in_features, s.out_features})},
            {"weight", weights_to(s.weights)}};
  }
};

class Reader {
 public:
  Reader(const ArraySource& source, const Network& network) : source_(source), network_(network) {}

  Step step(const json& v) const {
    const auto kind = v.at("kind").get<std::string>();
    const auto name = v.at("name").get<std::string>();
    if (kind == "convolution" || kind == "linear") return layer(v, name, kind == "linear");
    if (kind == "combination") return combination(v, name);
    if (kind == "mean_pool") {
      return MeanPool{.name = name,
                      .input = v.at("input").get<int>(),
                      .output = v.at("output").get<int>(),
                      .multiplier = v.at("multiplier").get<std::int32_t>(),
                      .fraction_bits = v.at("fraction_bits").get<int>(),
                      .whole_mean = v.at("whole_mean").get<bool>()};
    }
    if (kind == "max_pool") {
      return MaxPool{.name = name,
                     .shape = {.kind = graph::PoolKind::max,
                               .kernel = v.at("kernel").get<std::array<int, 2>>(),
                               .stride = v.at("stride").get<std::array<int, 2>>(),
                               .padding = padding_from(v.at("padding"))},
                     .input = v.at("input").get<int>(),
                     .output = v.at("output").get<int>()};
    }
    if (kind == "shortcut") {
      return ShortcutPad{.name = name,
                         .shape = {.stride = v.at("stride").get<int>(),
                                   .channels_before = v.at("channels_before").get<std::int64_t>(),
                                   .channels_after = v.at("channels_after").get<std::int64_t>()},
                         .input = v.at("input").get<int>(),
                         .output = v.at("output").get<int>()};
    }
    if (kind == "classifier") return classifier(v, name);
    throw DataError(fmt::format("a step of kind '{}'", kind));
  }

 private:
  static constexpr std::int64_t kMostElements = std::int64_t{1} << 40;

  static std::int64_t product(std::initializer_list<std::int64_t> factors) {
    std::int64_t out = 1;
    for (const std::int64_t factor : factors) {
      if (factor < 1 || factor > kMostElements / out) {
        throw DataError(fmt::format("a shape with an extent of {}", factor));
      }
      out *= factor;
    }
    return out;
  }

  std::vector<std::int32_t> integers(const std::string& step, const char* what,
                                     std::int64_t elements) const {
    return source_.integers(fmt::format("{}.{}", step, what), elements);
  }

  Weights weights(const json& v, const std::string& step, std::int64_t elements) const {
    return {.codes = integers(step, "weight", elements),
            .scale = v.at("scale").get<double>(),
            .bits = v.at("bits").get<int>()};
  }

  Layer layer(const json& v, const std::string& name, bool linear) const {
    Layer s{.name = name, .linear = linear};
    s.input = v.at("input").get<int>();
    s.other = v.at("other").get<int>();
    s.output = v.at("output").get<int>();
    s.shape = {.in_channels = v.at("channels").at(0).get<std::int64_t>(),
               .out_channels = v.at("channels").at(1).get<std::int64_t>(),
               .kernel = v.at("kernel").get<std::array<int, 2>>(),
               .stride = v.at("stride").get<std::array<int, 2>>(),
               .padding = padding_from(v.at("padding")),
               .dilation = v.at("dilation").get<std::array<int, 2>>(),
               .groups = v.at("groups").get<std::int64_t>()};
    const graph::Convolution& c = s.shape;
    const std::int64_t groups = std::max<std::int64_t>(c.groups, 1);
    s.weights =
        weights(v.at("weight"), name,
                product({c.out_channels, c.in_channels / groups, c.kernel[0], c.kernel[1]}));
    s.input_shift = v.at("input_shift").get<int>();
    s.requantization.multiplier =
        integers(name, "multiplier", v.at("multipliers").get<std::int64_t>());
    if (v.at("has_offset").get<bool>()) {
      s.requantization.offset = integers(name, "offset", c.out_channels);
    }
    s.requantization.other_multiplier = v.at("other_multiplier").get<std::int32_t>();
    s.requantization.fraction_bits = v.at("fraction_bits").get<int>();
    s.requantization.added_shift = v.at("added_shift").get<int>();
    return s;
  }

  Combination combination(const json& v, const std::string& name) const {
    static constexpr std::array kNames = {"multiplier", "other_multiplier"};
    Combination s{.name = name, .inputs = v.at("inputs").get<std::vector<int>>()};
    const json& lists = v.at("multipliers");
    if (lists.size() > kNames.size()) throw DataError(fmt::format("{} inputs", lists.size()));
    for (std::size_t i = 0; i < lists.size(); ++i) {
      s.multipliers.push_back(integers(name, kNames[i], lists[i].get<std::int64_t>()));
    }
    s.output = v.at("output").get<int>();
    const bool known =
        s.output >= 0 && static_cast<std::size_t>(s.output) < network_.tensors.size();
    if (!known) throw DataError(fmt::format("it writes tensor {}", s.output));
    if (v.at("has_offset").get<bool>()) {
      s.offset = integers(name, "offset", network_.tensor(s.output).shape.channels);
    }
    s.fraction_bits = v.at("fraction_bits").get<int>();
    return s;
  }

  Classifier classifier(const json& v, const std::string& name) const {
    Classifier s{.name = name,
                 .in_features = v.at("features").at(0).get<std::int64_t>(),
                 .out_features = v.at("features").at(1).get<std::int64_t>()};
    s.weights = weights(v.at("weight"), name, product({s.in_features, s.out_features}));
    s.bias = source_.reals(name + ".bias", s.out_features);
    s.input = v.at("input").get<int>();
    return s;
  }

  const ArraySource& source_;
  const Network& network_;
};

}  // namespace

json structure_of(const Network& network) {
  json tensors = json::array(), steps = json::array();
  for (const Tensor& tensor : network.tensors) tensors.push_back(tensor_to(tensor));
  for (const Step& step : network.steps) {
    json entry = std::visit(StepTo(), step);
    entry["name"] = step_name(step);
    entry["kind"] = step_kind(step);
    steps.push_back(std::move(entry));
  }
  return {{"version", 1},
          {"name", network.name},
          {"settings", settings_to(network.settings)},
          {"tensors", std::move(tensors)},
          {"steps", std::move(steps)}};
}

Network network_from(const json& structure, const ArraySource& source, const std::string& where) {
  std::string at = "the network";
  try {
    if (structure.at("version") != 1) {
      throw DataError(fmt::format("version {}; expected 1", structure.at("version").dump()));
    }
    Network out;
    out.name = structure.at("name").get<std::string>();
    out.settings = settings_from(structure.at("settings"));
    for (const json& tensor : structure.at("tensors")) out.tensors.push_back(tensor_from(tensor));
    const Reader reader(source, out);
    for (const json& step : structure.at("steps")) {
      at = fmt::format("step '{}'", step.value("name", std::string()));
      out.steps.push_back(reader.step(step));
    }
    at = "the network";
    check(out);
    return out;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: {}: {}", where, at, error.what()));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}: {}", where, at, error.what()));
  }
}

}  // namespace bitsweep::integer
