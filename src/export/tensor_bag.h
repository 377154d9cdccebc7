// Tensors on their way into a safetensors file, and typed vectors out of one.
#pragma once

#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "export/safetensors.h"

namespace bitsweep::exporting {

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<std::int8_t>() {
  return DType::i8;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::u8;
}

// Owns what is added until it is written.
class TensorBag {
 public:
  template <class T>
  void add(const std::string& name, std::span<const T> values, std::vector<std::int64_t> shape) {
    const auto bytes = std::as_bytes(values);
    storage_.emplace_back(bytes.begin(), bytes.end());
    tensors_.push_back({name, dtype_of<T>(), std::move(shape), storage_.back()});
  }
  template <class T>
  void add(const std::string& name, const std::vector<T>& values) {
    add(name, std::span(values), {static_cast<std::int64_t>(values.size())});
  }

  const std::vector<TensorData>& tensors() const { return tensors_; }

 private:
  std::deque<std::vector<std::byte>> storage_;
  std::vector<TensorData> tensors_;
};

// The tensor `name` of element type T. Throws DataError where there is none or it has another type.
template <class T>
std::vector<T> values_of(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* tensor = file.find(name);
  if (tensor == nullptr) {
    throw DataError(fmt::format("{}: lacks tensor '{}'", file.path().string(), name));
  }
  if (tensor->dtype != dtype_of<T>()) {
    throw DataError(fmt::format("{}: tensor '{}' is {}, expected {}", file.path().string(), name,
                                dtype_name(tensor->dtype), dtype_name(dtype_of<T>())));
  }
  std::vector<T> out(static_cast<std::size_t>(tensor->elements()));
  const auto bytes = file.bytes(*tensor);
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace bitsweep::exporting
