#include "models/onnx_values.h"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"

namespace bitsweep::models {
namespace {

// The elements of `tensor` as T, from raw bytes or from the list of the type.
template <typename T, typename List>
std::vector<T> elements_of(const onnx::TensorProto& tensor, const List& list, std::int64_t count,
                           const std::string& name) {
  const auto expected = static_cast<std::size_t>(count);
  std::vector<T> out;
  if (tensor.has_raw_data()) {
    const std::string& raw = tensor.raw_data();
    if (raw.size() != expected * sizeof(T)) {
      throw DataError(fmt::format("tensor '{}' has {} bytes, its shape [{}] says {}", name,
                                  raw.size(), fmt::join(tensor.dims(), ", "),
                                  expected * sizeof(T)));
    }
    out.resize(expected);
    std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  if (static_cast<std::size_t>(list.size()) != expected) {
    throw DataError(fmt::format("tensor '{}' has {} elements, its shape [{}] says {}", name,
                                list.size(), fmt::join(tensor.dims(), ", "), expected));
  }
  out.assign(list.begin(), list.end());
  return out;
}

}  // namespace

std::int64_t OnnxConstant::elements() const {
  std::int64_t out = 1;
  for (const std::int64_t size : shape) out *= size;
  return out;
}

OnnxConstant read_constant(const onnx::TensorProto& tensor, const std::string& name) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0) {
    throw DataError(fmt::format(
        "tensor '{}' lies in another file; save the network as one file, with its weights inside",
        name));
  }
  OnnxConstant out{name, {tensor.dims().begin(), tensor.dims().end()}, {}, {}, false};
  std::int64_t count = 1;
  constexpr std::int64_t kMost = std::int64_t{1} << 32;
  for (const std::int64_t size : out.shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > kMost) {
      throw DataError(fmt::format("tensor '{}' cannot be [{}]", name, fmt::join(out.shape, ", ")));
    }
  }
  switch (tensor.data_type()) {
    case onnx::TensorProto::FLOAT:
      out.is_real = true;
      out.reals = elements_of<float>(tensor, tensor.float_data(), count, name);
      break;
    case onnx::TensorProto::INT64:
      out.integers = elements_of<std::int64_t>(tensor, tensor.int64_data(), count, name);
      break;
    default:
      throw DataError(
          fmt::format("tensor '{}' is of ONNX type {}, expected float32 (1) or int64 "
                      "(7)",
                      name, tensor.data_type()));
  }
  const auto bad = std::ranges::find_if_not(out.reals, [](float x) { return std::isfinite(x); });
  if (bad != out.reals.end()) {
    throw DataError(
        fmt::format("tensor '{}' has {} at index {}", name, *bad, bad - out.reals.begin()));
  }
  return out;
}

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, const char* name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

std::int64_t integer(const onnx::NodeProto& node, const char* name, std::int64_t otherwise) {
  const auto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->i();
}

float real(const onnx::NodeProto& node, const char* name, float otherwise) {
  const auto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->f();
}

std::string text(const onnx::NodeProto& node, const char* name, const char* otherwise) {
  const auto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->s();
}

std::vector<std::int64_t> integers(const onnx::NodeProto& node, const char* name,
                                   std::vector<std::int64_t> otherwise) {
  const auto* attribute = find_attribute(node, name);
  if (attribute == nullptr) return otherwise;
  return {attribute->ints().begin(), attribute->ints().end()};
}

}  // namespace bitsweep::models
