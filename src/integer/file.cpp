#include "integer/file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::integer {
namespace {

using exporting::DType;

// Bits of the two's complement that holds them all.
int width_of(std::span<const std::int32_t> values) {
  int bits = 1;
  for (const std::int32_t v : values) {
    bits = std::max(
        bits, 1 + static_cast<int>(std::bit_width(static_cast<std::uint32_t>(v < 0 ? ~v : v))));
  }
  return bits;
}

struct ArraysOf {
  std::vector<IntegerArray>& out;

  void add(const std::string& step, const char* what, std::span<const std::int32_t> values,
           std::vector<std::int64_t> shape, int bits) const {
    out.push_back({.name = fmt::format("{}.{}", step, what),
                   .shape = std::move(shape),
                   .bits = bits,
                   .values = values});
  }
  void add(const std::string& step, const char* what,
           const std::vector<std::int32_t>& values) const {
    if (values.empty()) return;
    add(step, what, values, {static_cast<std::int64_t>(values.size())}, width_of(values));
  }

  void operator()(const Layer& s) const {
    const graph::Convolution& c = s.shape;
    std::vector<std::int64_t> shape = {c.out_channels, c.in_channels / c.groups};
    if (!s.linear) shape.insert(shape.end(), {c.kernel[0], c.kernel[1]});
    add(s.name, "weight", s.weights.codes, std::move(shape), s.weights.bits);
    add(s.name, "multiplier", s.requantization.multiplier);
    add(s.name, "offset", s.requantization.offset);
  }
  void operator()(const Combination& s) const {
    add(s.name, "multiplier", s.multipliers[0]);
    if (s.multipliers.size() > 1) add(s.name, "other_multiplier", s.multipliers[1]);
    add(s.name, "offset", s.offset);
  }
  void operator()(const Classifier& s) const {
    add(s.name, "weight", s.weights.codes, {s.out_features, s.in_features}, s.weights.bits);
    out.push_back(
        {.name = s.name + ".bias", .shape = {s.out_features}, .real = true, .reals = s.bias});
  }
  void operator()(const auto&) const {}
};

DType dtype_for(const IntegerArray& array) {
  if (array.real) return DType::f32;
  return array.bits <= 8 ? DType::i8 : array.bits <= 16 ? DType::i16 : DType::i32;
}

template <class T>
std::vector<std::byte> bytes_as(std::span<const std::int32_t> values) {
  std::vector<std::byte> out(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(out.data() + i * sizeof(T), &value, sizeof(T));
  }
  return out;
}

std::vector<std::byte> bytes_of(const IntegerArray& array, DType dtype) {
  switch (dtype) {
    case DType::i8:
      return bytes_as<std::int8_t>(array.values);
    case DType::i16:
      return bytes_as<std::int16_t>(array.values);
    case DType::i32:
      return bytes_as<std::int32_t>(array.values);
    default: {
      const auto bytes = std::as_bytes(array.reals);
      return {bytes.begin(), bytes.end()};
    }
  }
}

template <class T, class Out>
std::vector<Out> values_as(std::span<const std::byte> bytes) {
  std::vector<Out> out(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<Out>(value);
  }
  return out;
}

class FileSource {
 public:
  explicit FileSource(const exporting::SafetensorsFile& file) : file_(file) {}

  std::vector<std::int32_t> integers(const std::string& name, std::int64_t elements) const {
    const exporting::TensorInfo& info = find(name, elements);
    switch (info.dtype) {
      case DType::i8:
        return values_as<std::int8_t, std::int32_t>(file_.bytes(info));
      case DType::i16:
        return values_as<std::int16_t, std::int32_t>(file_.bytes(info));
      case DType::i32:
        return values_as<std::int32_t, std::int32_t>(file_.bytes(info));
      default:
        throw DataError(fmt::format("'{}' is {}; expected I8, I16 or I32", name,
                                    exporting::dtype_name(info.dtype)));
    }
  }

  std::vector<float> reals(const std::string& name, std::int64_t elements) const {
    const exporting::TensorInfo& info = find(name, elements);
    if (info.dtype != DType::f32) {
      throw DataError(
          fmt::format("'{}' is {}; expected F32", name, exporting::dtype_name(info.dtype)));
    }
    return values_as<float, float>(file_.bytes(info));
  }

 private:
  const exporting::TensorInfo& find(const std::string& name, std::int64_t elements) const {
    const exporting::TensorInfo* info = file_.find(name);
    if (info == nullptr) throw DataError(fmt::format("tensor '{}' is missing", name));
    if (info->elements() != elements) {
      throw DataError(
          fmt::format("'{}' has {} elements; expected {}", name, info->elements(), elements));
    }
    return *info;
  }

  const exporting::SafetensorsFile& file_;
};

}  // namespace

std::vector<IntegerArray> arrays_of(const Network& network) {
  std::vector<IntegerArray> out;
  for (const Step& step : network.steps) std::visit(ArraysOf{out}, step);
  return out;
}

void save(const std::filesystem::path& path, const Network& network, exporting::Metadata metadata) {
  const std::vector<IntegerArray> arrays = arrays_of(network);
  std::vector<std::vector<std::byte>> bytes;
  std::vector<exporting::TensorData> tensors;
  for (const IntegerArray& array : arrays) {
    const DType dtype = dtype_for(array);
    bytes.push_back(bytes_of(array, dtype));
    tensors.push_back({.name = array.name, .dtype = dtype, .shape = array.shape, .bytes = {}});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].bytes = bytes[i];
  metadata[kStructureMetadata] = structure_of(network).dump();
  exporting::write_safetensors(path, std::move(tensors), metadata);
}

Network load(const std::filesystem::path& path) {
  return load(exporting::SafetensorsFile::read(path));
}

Network load(const exporting::SafetensorsFile& file) {
  const auto text = file.metadata().find(kStructureMetadata);
  if (text == file.metadata().end()) {
    throw DataError(fmt::format("{}: no integer network: its metadata has no '{}'",
                                file.path().string(), kStructureMetadata));
  }
  const auto structure = nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false);
  const FileSource source(file);
  return network_from(
      structure,
      {[&](const std::string& name, std::int64_t n) { return source.integers(name, n); },
       [&](const std::string& name, std::int64_t n) { return source.reals(name, n); }},
      file.path().string());
}

}  // namespace bitsweep::integer
