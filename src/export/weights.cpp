#include "export/weights.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "export/name_map.h"
#include "export/torch_file.h"

namespace bitsweep::exporting {
namespace {

constexpr std::string_view kScaleSuffix = "_scale";

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

class Loader {
 public:
  Loader(const SafetensorsFile& file, const graph::Graph& graph)
      : file_(file), network_(graph.name()), parameters_(graph) {}

  graph::Parameters run() {
    translate_names();
    check_names();
    for (const graph::TensorSpec& spec : parameters_.specs()) load(spec);
    return std::move(parameters_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(fmt::format("{}: {}", file_.path().string(),
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  const TensorInfo* find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

  // by_name_: the network's name → the file's tensor.
  void translate_names() {
    std::vector<std::string> names;
    for (const TensorInfo& tensor : file_.tensors()) names.push_back(tensor.name);
    const NameMap& map = choose_name_map(names);
    for (const TensorInfo& tensor : file_.tensors()) {
      const NameMap::Target target = *map.translate(tensor.name);
      if (target.ignored) continue;
      const auto [it, is_new] = by_name_.emplace(target.name, &tensor);
      if (!is_new) {
        refuse("tensors '{}' and '{}' both stand for '{}' (name map '{}')", it->second->name,
               tensor.name, target.name, map.name());
      }
    }
  }

  void check_names() const {
    std::vector<const graph::TensorSpec*> missing;
    for (const graph::TensorSpec& spec : parameters_.specs()) {
      if (find(spec.name) == nullptr) missing.push_back(&spec);
    }
    std::vector<const TensorInfo*> surplus;
    for (const auto& [name, tensor] : by_name_) {
      if (!parameters_.contains(name) && !is_scale_of_codes(name)) surplus.push_back(tensor);
    }
    if (missing.empty() && surplus.empty()) return;
    std::string message;
    if (!missing.empty()) {
      message = fmt::format("lacks tensor '{}' {} of network '{}' ({} missing)", missing[0]->name,
                            shape_text(missing[0]->shape), network_, missing.size());
    }
    if (!surplus.empty()) {
      message += fmt::format("{}has tensor '{}' {}, which network '{}' does not have ({} surplus)",
                             message.empty() ? "" : " and ", surplus[0]->name,
                             shape_text(surplus[0]->shape), network_, surplus.size());
    }
    refuse("{}", message);
  }

  bool is_scale_of_codes(std::string_view name) const {
    if (!name.ends_with(kScaleSuffix)) return false;
    name.remove_suffix(kScaleSuffix.size());
    const TensorInfo* codes = find(std::string(name));
    return codes != nullptr && codes->dtype == DType::i8 && parameters_.contains(name);
  }

  void load(const graph::TensorSpec& spec) {
    const TensorInfo& tensor = *find(spec.name);
    if (tensor.shape != spec.shape) {
      refuse("tensor '{}' is {}, network '{}' needs {}", tensor.name, shape_text(tensor.shape),
             network_, shape_text(spec.shape));
    }
    switch (tensor.dtype) {
      case DType::f32:
      case DType::f64:
      case DType::f16:
      case DType::bf16:
        break;
      case DType::i8:
        return load_codes(spec, tensor);
      default:
        refuse("tensor '{}' is {}, expected F32, F64, F16, BF16, or I8 with a scale", tensor.name,
               dtype_name(tensor.dtype));
    }
    store(spec, tensor, to_float(file_, tensor));
  }

  void load_codes(const graph::TensorSpec& spec, const TensorInfo& tensor) {
    const std::string scale_name = spec.name + std::string(kScaleSuffix);
    const TensorInfo* scale = find(scale_name);
    if (scale == nullptr) {
      refuse("tensor '{}' holds int8 codes, but there is no '{}'", tensor.name, scale_name);
    }
    const std::int64_t channels = spec.shape[0];
    if (scale->dtype != DType::f32 || scale->shape.size() != 1 ||
        (scale->shape[0] != 1 && scale->shape[0] != channels)) {
      refuse("tensor '{}' is {} {}, expected F32 [1] or [{}]", scale->name,
             dtype_name(scale->dtype), shape_text(scale->shape), channels);
    }
    const std::vector<float> scales = to_float(file_, *scale);
    check_finite(*scale, scales);
    std::vector<float> values = to_float(file_, tensor);
    const std::size_t per_channel = values.size() / static_cast<std::size_t>(channels);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] *= scales[scales.size() == 1 ? 0 : i / per_channel];
    }
    store(spec, tensor, values);
  }

  void store(const graph::TensorSpec& spec, const TensorInfo& tensor,
             const std::vector<float>& values) {
    check_finite(tensor, values);
    std::ranges::copy(values, parameters_.values(spec.name).begin());
  }

  void check_finite(const TensorInfo& tensor, const std::vector<float>& values) const {
    const auto it = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
    if (it != values.end()) {
      refuse("tensor '{}' has {} at index {} of {}", tensor.name, *it, it - values.begin(),
             values.size());
    }
  }

  const SafetensorsFile& file_;
  std::string network_;
  graph::Parameters parameters_;
  std::map<std::string, const TensorInfo*> by_name_;
};

}  // namespace

graph::Parameters load_weights(const std::filesystem::path& path, const graph::Graph& graph) {
  return load_weights(read_weight_file(path), graph);
}

graph::Parameters load_weights(const SafetensorsFile& file, const graph::Graph& graph) {
  return Loader(file, graph).run();
}

void save_weights(const std::filesystem::path& path, const graph::Parameters& parameters,
                  const Metadata& metadata) {
  std::vector<TensorData> tensors;
  for (const graph::TensorSpec& spec : parameters.specs()) {
    tensors.push_back(
        {spec.name, DType::f32, spec.shape, std::as_bytes(parameters.values(spec.name))});
  }
  write_safetensors(path, std::move(tensors), metadata);
}

}  // namespace bitsweep::exporting
