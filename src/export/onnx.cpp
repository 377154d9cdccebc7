#include "export/onnx.h"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "export/packing.h"

namespace bitsweep::exporting {
namespace {

using kernels::AffineGrid;

struct IntegerType {
  int type = onnx::TensorProto::UINT8;
  int bits = 8;
  std::int32_t low = 0;
  std::int32_t high = 255;
};

// The narrowest type that holds these codes.
IntegerType type_of(const std::vector<AffineGrid>& grids) {
  static constexpr IntegerType kTypes[] = {
      {onnx::TensorProto::UINT4, 4, 0, 15},      {onnx::TensorProto::INT4, 4, -8, 7},
      {onnx::TensorProto::UINT8, 8, 0, 255},     {onnx::TensorProto::INT8, 8, -128, 127},
      {onnx::TensorProto::UINT16, 16, 0, 65535}, {onnx::TensorProto::INT16, 16, -32768, 32767}};
  const std::int32_t low = std::ranges::min(grids, {}, &AffineGrid::qmin).qmin;
  const std::int32_t high = std::ranges::max(grids, {}, &AffineGrid::qmax).qmax;
  for (const IntegerType& type : kTypes) {
    if (low >= type.low && high <= type.high) return type;
  }
  BITSWEEP_CHECK(false, "codes {} to {}", low, high);
  return {};
}

// A grid whose zero point is a code of `type`, and what must be added to its values for that.
struct PlacedGrid {
  float scale = 1;
  std::int32_t zero_point = 0;
  double offset = 0;
};

PlacedGrid placed(const AffineGrid& grid, const IntegerType& type) {
  const double zero = std::clamp<double>(grid.zero_point, type.low, type.high);
  return {grid.scale, static_cast<std::int32_t>(zero),
          grid.origin + (zero - grid.zero_point) * static_cast<double>(grid.scale)};
}

class Writer {
 public:
  explicit Writer(const QuantizedNetwork& network)
      : network_(network), graph_(*model_.mutable_graph()), values_(network.graph.nodes().size()) {}

  std::string run() {
    set_header();
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const auto node = static_cast<graph::NodeId>(id);
      add_node(node);
      const bool input = network_.graph.node(node).as<graph::Input>() != nullptr;
      if (!input) add_quantizer(node);
    }
    set_output();
    return model_.SerializeAsString();
  }

 private:
  // A tensor of the model; a vector has lost its height and width.
  struct Value {
    std::string name;
    bool is_vector = false;
  };

  void set_header() {
    constexpr int kIrVersion = 10;  // of opset 21
    model_.set_ir_version(kIrVersion);
    model_.set_producer_name("bitsweep");
    auto* opset = model_.add_opset_import();
    opset->set_domain("");
    opset->set_version(kOnnxOpset);
    graph_.set_name(network_.graph.name());
    const auto property = [&](const char* key, const std::string& value) {
      auto* entry = model_.add_metadata_props();
      entry->set_key(key);
      entry->set_value(value);
    };
    property("bitsweep.trial", network_.key);
    property("bitsweep.name", network_.name);
    nlohmann::json normalization = nlohmann::json::array();
    for (std::size_t c = 0; c < 3; ++c) {
      normalization.push_back({{"image_channel", network_.normalization.source[c]},
                               {"of_0", network_.normalization.value[c][0]},
                               {"of_255", network_.normalization.value[c][255]}});
    }
    property("bitsweep.normalization", normalization.dump());
  }

  onnx::NodeProto* add(const char* op, std::vector<std::string> inputs, const std::string& output) {
    auto* node = graph_.add_node();
    node->set_op_type(op);
    node->set_name(output);
    for (const std::string& input : inputs) node->add_input(input);
    node->add_output(output);
    return node;
  }
  static void set(onnx::NodeProto* node, const char* name, std::int64_t value) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }
  static void set(onnx::NodeProto* node, const char* name, float value) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(value);
  }
  static void set(onnx::NodeProto* node, const char* name,
                  const std::vector<std::int64_t>& values) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) attribute->add_ints(value);
  }

  std::string raw(const std::string& name, int type, const std::vector<std::int64_t>& shape,
                  std::span<const std::byte> bytes) {
    auto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const std::int64_t size : shape) tensor->add_dims(size);
    tensor->set_raw_data(bytes.data(), bytes.size());
    return name;
  }
  std::string floats(const std::string& name, std::span<const float> values,
                     const std::vector<std::int64_t>& shape) {
    return raw(name, onnx::TensorProto::FLOAT, shape, std::as_bytes(values));
  }
  std::string wholes(const std::string& name, const std::vector<std::int64_t>& values) {
    return raw(name, onnx::TensorProto::INT64, {static_cast<std::int64_t>(values.size())},
               std::as_bytes(std::span(values)));
  }
  // Codes of `type`, two's complement, those of 4 bits two to a byte.
  std::string codes(const std::string& name, const IntegerType& type,
                    const std::vector<std::int32_t>& values,
                    const std::vector<std::int64_t>& shape) {
    std::vector<std::int32_t> bits = values;
    for (std::int32_t& code : bits) code &= (1 << type.bits) - 1;
    return raw(name, type.type, shape,
               pack(bits, {{type.bits}, static_cast<std::int64_t>(bits.size())}));
  }

  std::string tensor(const std::string& name) {
    const auto& specs = network_.parameters.specs();
    const auto spec = std::ranges::find(specs, name, &graph::TensorSpec::name);
    return floats(name, network_.parameters.values(name), spec->shape);
  }
  bool has(const std::string& name) const { return network_.parameters.contains(name); }

  // One value a channel, as a tensor that spreads over [N, channels, …] (`vector`: [N, channels]).
  std::string per_channel(const std::string& name, const std::vector<float>& values, bool vector) {
    if (values.size() == 1) return floats(name, values, {});
    const auto n = static_cast<std::int64_t>(values.size());
    return floats(name, values,
                  vector ? std::vector<std::int64_t>{1, n} : std::vector<std::int64_t>{1, n, 1, 1});
  }
  static bool any(const std::vector<float>& values) {
    return std::ranges::any_of(values, [](float v) { return v != 0.0F; });
  }

  // The weight of a layer, dequantized where it is codes.
  std::string weight(graph::NodeId id) {
    const std::string name = network_.graph.node(id).name + ".weight";
    const WeightCodes* weight = network_.weight_of(id);
    if (weight == nullptr) return tensor(name);
    if (!weight->centroids.empty()) {
      throw ConfigError(
          fmt::format("layer '{}': codes of quantizer '{}' stand for a table of values, and ONNX's "
                      "DequantizeLinear for a grid; use --format safetensors",
                      network_.graph.node(id).name, weight->quantizer));
    }
    const IntegerType type = type_of(weight->grids);
    std::vector<float> scales, offsets;
    std::vector<std::int32_t> zero_points;
    // Corrections are per channel, whatever the grids are.
    const std::size_t rows =
        std::max({weight->grids.size(), weight->corrections.size(), weight->rescales.size()});
    for (std::size_t c = 0; c < rows; ++c) {
      const PlacedGrid grid = placed(weight->grids[weight->grids.size() == 1 ? 0 : c], type);
      const quant::ChannelCorrection correction = correction_of(*weight, c);
      scales.push_back(static_cast<float>(correction.scale * grid.scale));
      zero_points.push_back(grid.zero_point);
      offsets.push_back(static_cast<float>(correction.scale * grid.offset + correction.shift));
    }
    const auto& specs = network_.parameters.specs();
    const auto& shape = std::ranges::find(specs, name, &graph::TensorSpec::name)->shape;
    const bool whole = rows == 1;
    const std::vector<std::int64_t> grid_shape =
        whole ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{shape[0]};
    auto* dequantize = add("DequantizeLinear",
                           {codes(name + ".codes", type, weight->codes, shape),
                            floats(name + ".scale", scales, grid_shape),
                            codes(name + ".zero_point", type, zero_points, grid_shape)},
                           name);
    if (!whole) set(dequantize, "axis", std::int64_t{0});
    if (!any(offsets)) return name;
    std::vector<std::int64_t> spread(shape.size(), 1);
    if (!whole) spread[0] = shape[0];
    const std::string shifted = name + ".shifted";
    add("Add", {name, floats(name + ".offset", offsets, spread)}, shifted);
    return shifted;
  }

  std::vector<std::string> with_bias(std::vector<std::string> inputs, const std::string& layer) {
    if (has(layer + ".bias")) inputs.push_back(tensor(layer + ".bias"));
    return inputs;
  }

  static std::vector<std::int64_t> pads(const graph::Padding& padding) {
    return {padding.top, padding.left, padding.bottom, padding.right};
  }
  static std::vector<std::int64_t> pair(const std::array<int, 2>& sizes) {
    return {sizes[0], sizes[1]};
  }

  const Value& input(const graph::Node& node, std::size_t i = 0) const {
    return values_[static_cast<std::size_t>(node.inputs[i])];
  }

  // One overload for each operation: its ONNX form, named as the node. Returns the value.
  struct Operation {
    Writer& w;
    graph::NodeId id;
    const graph::Node& node;
    std::string out;  // what to call the value

    const std::string& x() const { return w.input(node).name; }
    Value same(const char* op, std::vector<std::string> inputs) const {
      w.add(op, std::move(inputs), out);
      return {out, w.input(node).is_vector};
    }

    Value operator()(const graph::Input&) const {
      auto* input = w.graph_.add_input();
      input->set_name("images");
      auto* type = input->mutable_type()->mutable_tensor_type();
      type->set_elem_type(onnx::TensorProto::FLOAT);
      type->mutable_shape()->add_dim()->set_dim_param("N");
      for (const std::int64_t size :
           {node.output.channels, node.output.height, node.output.width}) {
        type->mutable_shape()->add_dim()->set_dim_value(size);
      }
      return {"images", false};
    }
    Value operator()(const graph::Convolution& c) const {
      auto* conv = w.add("Conv", w.with_bias({x(), w.weight(id)}, node.name), out);
      set(conv, "kernel_shape", pair(c.kernel));
      set(conv, "strides", pair(c.stride));
      set(conv, "pads", pads(c.padding));
      set(conv, "dilations", pair(c.dilation));
      set(conv, "group", c.groups);
      return {out, false};
    }
    Value operator()(const graph::Linear&) const {
      std::string vector = x();
      if (!w.input(node).is_vector) {
        vector = out + ".vector";
        set(w.add("Flatten", {x()}, vector), "axis", std::int64_t{1});
      }
      set(w.add("Gemm", w.with_bias({vector, w.weight(id)}, node.name), out), "transB",
          std::int64_t{1});
      return {out, true};
    }
    Value operator()(const graph::BatchNorm& b) const {
      const std::string& n = node.name;
      auto* norm = w.add("BatchNormalization",
                         {x(), w.tensor(n + ".weight"), w.tensor(n + ".bias"),
                          w.tensor(n + ".running_mean"), w.tensor(n + ".running_var")},
                         out);
      set(norm, "epsilon", static_cast<float>(b.eps));
      return {out, w.input(node).is_vector};
    }
    Value operator()(const graph::Activation& a) const {
      if (w.network_.skipped[static_cast<std::size_t>(id)]) return w.input(node);
      switch (a.kind) {
        case graph::ActivationKind::relu:
          return same("Relu", {x()});
        case graph::ActivationKind::relu6:
          return same("Clip", {x(), w.floats(out + ".low", std::array{0.0F}, {}),
                               w.floats(out + ".high", std::array{6.0F}, {})});
        case graph::ActivationKind::hard_swish:
          return same("HardSwish", {x()});
        case graph::ActivationKind::hard_sigmoid:
          return hard_sigmoid(1.0F / 6.0F);
        case graph::ActivationKind::hard_sigmoid_fifth:
          return hard_sigmoid(0.2F);
      }
      BITSWEEP_CHECK(false, "activation {}", static_cast<int>(a.kind));
      return {};
    }
    Value hard_sigmoid(float slope) const {
      auto* sigmoid = w.add("HardSigmoid", {x()}, out);
      set(sigmoid, "alpha", slope);
      set(sigmoid, "beta", 0.5F);
      return {out, w.input(node).is_vector};
    }
    Value operator()(const graph::Add&) const { return same("Add", {x(), w.input(node, 1).name}); }
    Value operator()(const graph::Multiply&) const {
      return same("Mul", {x(), w.input(node, 1).name});
    }
    Value operator()(const graph::Concat&) const {
      std::vector<std::string> inputs;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(w.input(node, i).name);
      set(w.add("Concat", inputs, out), "axis", std::int64_t{1});
      return {out, w.input(node).is_vector};
    }
    Value operator()(const graph::Pool& p) const {
      const bool average = p.kind == graph::PoolKind::average;
      auto* pool = w.add(average ? "AveragePool" : "MaxPool", {x()}, out);
      set(pool, "kernel_shape", pair(p.kernel));
      set(pool, "strides", pair(p.stride));
      set(pool, "pads", pads(p.padding));
      set(pool, "ceil_mode", std::int64_t{p.ceil_mode ? 1 : 0});
      if (average) set(pool, "count_include_pad", std::int64_t{p.count_include_pad ? 1 : 0});
      return {out, false};
    }
    Value operator()(const graph::GlobalAveragePool&) const {
      return same("GlobalAveragePool", {x()});
    }
    // Every stride-th row and column is a mean over one: ONNX Runtime moves quantizers across a
    // Slice (1.31 with the wrong type of zero point), and not across this.
    Value operator()(const graph::ZeroPadShortcut& z) const {
      const std::string rows = out + ".rows";
      auto* pool = w.add("AveragePool", {x()}, rows);
      set(pool, "kernel_shape", {1, 1});
      set(pool, "strides", {z.stride, z.stride});
      w.add(
          "Pad",
          {rows, w.wholes(out + ".pads", {0, z.channels_before, 0, 0, 0, z.channels_after, 0, 0})},
          out);
      return {out, false};
    }
    Value operator()(const graph::Flatten&) const {
      set(w.add("Flatten", {x()}, out), "axis", std::int64_t{1});
      return {out, true};
    }
    Value operator()(const graph::Dropout&) const { return same("Identity", {x()}); }
  };

  void add_node(graph::NodeId id) {
    const graph::Node& node = network_.graph.node(id);
    values_[static_cast<std::size_t>(id)] =
        std::visit(Operation{*this, id, node, node.name}, node.attributes);
  }

  void add_quantizer(graph::NodeId id) {
    const OutputGrid* output = network_.output_of(id);
    if (output == nullptr) return;
    if (output->clamp) {
      if (output->clamp->quantizer.kind != kernels::ClampQuantizerKind::none) clamp(id, *output);
    } else {
      quantize(id, *output);
    }
  }

  // x clipped to [low, high], one pair or one a channel.
  std::string clipped(const std::string& x, const std::string& prefix,
                      const std::vector<float>& low, const std::vector<float>& high, bool vector) {
    const std::string out = prefix + ".clipped";
    if (low.size() == 1) {
      add("Clip", {x, floats(prefix + ".low", low, {}), floats(prefix + ".high", high, {})}, out);
      return out;
    }
    add("Max", {x, per_channel(prefix + ".low", low, vector)}, prefix + ".raised");
    add("Min", {prefix + ".raised", per_channel(prefix + ".high", high, vector)}, out);
    return out;
  }

  std::string quantized(const std::string& x, const std::string& prefix, const IntegerType& type,
                        const std::vector<float>& scale, const std::vector<float>& scale_back,
                        const std::vector<std::int32_t>& zero_point) {
    const bool whole = scale.size() == 1;
    const std::vector<std::int64_t> shape =
        whole ? std::vector<std::int64_t>{}
              : std::vector<std::int64_t>{static_cast<std::int64_t>(scale.size())};
    const std::string zero = codes(prefix + ".zero_point", type, zero_point, shape);
    const std::string there = floats(prefix + ".scale", scale, shape);
    const std::string back =
        scale == scale_back ? there : floats(prefix + ".scale_back", scale_back, shape);
    auto* quantize = add("QuantizeLinear", {x, there, zero}, prefix + ".codes");
    auto* dequantize =
        add("DequantizeLinear", {prefix + ".codes", back, zero}, prefix + ".dequantized");
    for (onnx::NodeProto* node : {quantize, dequantize}) {
      if (!whole) set(node, "axis", std::int64_t{1});
    }
    return prefix + ".dequantized";
  }

  void clamp(graph::NodeId id, const OutputGrid& output) {
    const kernels::ClampGrid grid =
        kernels::clamp_grid(output.clamp->quantizer, output.clamp->alpha);
    Value& value = values_[static_cast<std::size_t>(id)];
    const std::string prefix = network_.graph.node(id).name + ".output";
    const std::string within = clipped(value.name, prefix, {grid.low / grid.factor},
                                       {grid.high / grid.factor}, value.is_vector);
    value.name = quantized(within, prefix, type_of(output.grids),
                           {1.0F / (grid.scale * grid.factor)}, {1.0F / grid.scale}, {0});
  }

  void quantize(graph::NodeId id, const OutputGrid& output) {
    const std::string& name = network_.graph.node(id).name;
    if (output.grids.size() == 1 && output.grids[0].scale == 0.0F) return;  // left as it is
    const IntegerType type = type_of(output.grids);
    std::vector<float> scales, low, high, offsets;
    std::vector<std::int32_t> zero_points;
    bool clips = false;
    for (const AffineGrid& grid : output.grids) {
      if (grid.scale == 0.0F) {
        throw ConfigError(fmt::format(
            "node '{}': a channel has an empty range, and ONNX no form for one that stays as it is",
            name));
      }
      const PlacedGrid at = placed(grid, type);
      scales.push_back(at.scale);
      zero_points.push_back(at.zero_point);
      offsets.push_back(static_cast<float>(at.offset));
      low.push_back(static_cast<float>(grid.qmin - at.zero_point) * at.scale);
      high.push_back(static_cast<float>(grid.qmax - at.zero_point) * at.scale);
      clips = clips || grid.qmin > type.low || grid.qmax < type.high;
    }
    Value& value = values_[static_cast<std::size_t>(id)];
    const std::string prefix = name + ".output";
    std::string x = value.name;
    const bool moves = any(offsets);
    std::string offset;
    if (moves) {
      offset = per_channel(prefix + ".offset", offsets, value.is_vector);
      add("Sub", {x, offset}, prefix + ".moved");
      x = prefix + ".moved";
    }
    if (clips) x = clipped(x, prefix, low, high, value.is_vector);
    x = quantized(x, prefix, type, scales, scales, zero_points);
    if (moves) {
      add("Add", {x, offset}, prefix + ".moved_back");
      x = prefix + ".moved_back";
    }
    if (!output.positive_shifts.empty()) x = shifted(x, prefix, output, value.is_vector);
    value.name = x;
  }

  // The shift of each channel on its positive values.
  std::string shifted(const std::string& x, const std::string& prefix, const OutputGrid& output,
                      bool vector) {
    const std::vector<float> shifts(output.positive_shifts.begin(), output.positive_shifts.end());
    add("Greater", {x, floats(prefix + ".zero", std::array{0.0F}, {})}, prefix + ".is_positive");
    set(add("Cast", {prefix + ".is_positive"}, prefix + ".positive"), "to",
        std::int64_t{onnx::TensorProto::FLOAT});
    add("Mul", {prefix + ".positive", per_channel(prefix + ".shift", shifts, vector)},
        prefix + ".shifts");
    add("Add", {x, prefix + ".shifts"}, prefix + ".shifted");
    return prefix + ".shifted";
  }

  void set_output() {
    const Value& last = values_.back();
    if (last.is_vector) {
      add("Identity", {last.name}, "logits");
    } else {
      set(add("Flatten", {last.name}, "logits"), "axis", std::int64_t{1});
    }
    auto* output = graph_.add_output();
    output->set_name("logits");
    auto* type = output->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape()->add_dim()->set_dim_param("N");
    type->mutable_shape()->add_dim()->set_dim_value(network_.graph.num_classes());
  }

  const QuantizedNetwork& network_;
  onnx::ModelProto model_;
  onnx::GraphProto& graph_;
  std::vector<Value> values_;  // by node
};

}  // namespace

void write_onnx(const std::filesystem::path& path, const QuantizedNetwork& network) {
  write_file_atomic(path, Writer(network).run());
}

}  // namespace bitsweep::exporting
