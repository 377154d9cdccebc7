// Constants and attributes of an ONNX file, checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onnx {
class AttributeProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace bitsweep::models {

// A constant tensor; one of `reals` (float32) and `integers` (int64) holds the elements.
struct OnnxConstant {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;
  bool is_real = false;

  std::int64_t elements() const;
};

// Throws DataError naming the tensor for another type, external data, a size that is not the
// shape's, a NaN or infinity.
OnnxConstant read_constant(const onnx::TensorProto& tensor, const std::string& name);

// Attributes of a node by name, with a value for where they are not given.
std::int64_t integer(const onnx::NodeProto& node, const char* name, std::int64_t otherwise);
float real(const onnx::NodeProto& node, const char* name, float otherwise);
std::string text(const onnx::NodeProto& node, const char* name, const char* otherwise);
std::vector<std::int64_t> integers(const onnx::NodeProto& node, const char* name,
                                   std::vector<std::int64_t> otherwise);
const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, const char* name);

}  // namespace bitsweep::models
