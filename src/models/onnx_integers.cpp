#include "models/onnx_integers.h"

#include <onnx.pb.h>

#include <algorithm>
#include <map>
#include <string>

#include "core/error.h"

namespace bitsweep::models {
namespace {

using onnx::NodeProto;
using Inputs = std::vector<const OnnxConstant*>;
using Sizes = std::vector<std::int64_t>;
using Result = std::optional<OnnxConstant>;

constexpr std::int64_t kMostElements = 4096;  // shapes and paddings are short

OnnxConstant made(Sizes shape, std::vector<std::int64_t> integers) {
  return {"", std::move(shape), {}, std::move(integers), false};
}

const OnnxConstant* input(const Inputs& inputs, std::size_t i) {
  return i < inputs.size() ? inputs[i] : nullptr;
}

// An input since some operator set, an attribute before.
Sizes list(const NodeProto& node, const Inputs& inputs, std::size_t i, const char* name) {
  const OnnxConstant* given = input(inputs, i);
  return given != nullptr ? given->integers : integers(node, name, {});
}

bool within(std::int64_t value, std::int64_t least, std::int64_t end) {
  return value >= least && value < end;
}

Result arithmetic(const Inputs& inputs, bool (*of)(std::int64_t, std::int64_t, std::int64_t*)) {
  if (inputs.size() != 2) return std::nullopt;
  const OnnxConstant& a = *inputs[0];
  const OnnxConstant& b = *inputs[1];
  const bool same = a.shape == b.shape;
  if (!same && a.integers.size() != 1 && b.integers.size() != 1) return std::nullopt;
  const OnnxConstant& longer = a.shape.size() >= b.shape.size() ? a : b;
  const std::size_t count = std::max(a.integers.size(), b.integers.size());
  if (longer.integers.size() != count) return std::nullopt;
  std::vector<std::int64_t> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t x = a.integers[a.integers.size() == 1 ? 0 : i];
    const std::int64_t y = b.integers[b.integers.size() == 1 ? 0 : i];
    if (x == kNumberOfImages || y == kNumberOfImages || of(x, y, &out[i])) return std::nullopt;
  }
  return made(longer.shape, std::move(out));
}

Result cast(const NodeProto& node, const Inputs& inputs) {
  if (integer(node, "to", 0) != onnx::TensorProto::INT64) return std::nullopt;
  return made(inputs[0]->shape, inputs[0]->integers);
}

Result concat(const NodeProto& node, const Inputs& inputs) {
  const std::int64_t axis = integer(node, "axis", 0);
  if (axis != 0 && axis != -1) return std::nullopt;
  std::vector<std::int64_t> out;
  for (const OnnxConstant* part : inputs) {
    if (part->shape.size() != 1) return std::nullopt;
    out.insert(out.end(), part->integers.begin(), part->integers.end());
  }
  return made({static_cast<std::int64_t>(out.size())}, std::move(out));
}

Result constant_of_shape(const NodeProto& node, const Inputs& inputs) {
  const auto* attribute = find_attribute(node, "value");
  if (attribute == nullptr) return std::nullopt;
  const OnnxConstant value = read_constant(attribute->t(), "value");
  if (value.is_real || value.integers.size() != 1) return std::nullopt;
  std::int64_t count = 1;
  for (const std::int64_t size : inputs[0]->integers) {
    if (!within(size, 0, kMostElements + 1)) return std::nullopt;
    count *= size;
    if (count > kMostElements) return std::nullopt;
  }
  return made(inputs[0]->integers,
              std::vector<std::int64_t>(static_cast<std::size_t>(count), value.integers[0]));
}

Result gather(const NodeProto& node, const Inputs& inputs) {
  if (inputs.size() != 2 || inputs[0]->shape.size() != 1 || integer(node, "axis", 0) != 0) {
    return std::nullopt;
  }
  const auto size = static_cast<std::int64_t>(inputs[0]->integers.size());
  std::vector<std::int64_t> out;
  for (const std::int64_t index : inputs[1]->integers) {
    if (!within(index, -size, size)) return std::nullopt;
    out.push_back(inputs[0]->integers[static_cast<std::size_t>(index < 0 ? index + size : index)]);
  }
  return made(inputs[1]->shape, std::move(out));
}

Result reshape(const Inputs& inputs) {
  if (inputs.size() != 2) return std::nullopt;
  Sizes shape = inputs[1]->integers;
  const auto count = static_cast<std::int64_t>(inputs[0]->integers.size());
  std::int64_t known = 1;
  std::int64_t* rest = nullptr;
  for (std::int64_t& size : shape) {
    if (size == -1 && rest == nullptr) {
      rest = &size;
    } else if (!within(size, 1, kMostElements + 1)) {
      return std::nullopt;
    } else {
      known *= size;
      if (known > kMostElements) return std::nullopt;
    }
  }
  if (rest != nullptr) {
    *rest = count / known;
    known *= *rest;
  }
  if (known != count) return std::nullopt;
  return made(std::move(shape), inputs[0]->integers);
}

// Along the first axis; what is behind it moves in rows.
Result slice(const NodeProto& node, const Inputs& inputs) {
  const OnnxConstant& data = *inputs[0];
  const Sizes starts = list(node, inputs, 1, "starts"), ends = list(node, inputs, 2, "ends");
  const Sizes axes = list(node, inputs, 3, "axes");
  const OnnxConstant* steps = input(inputs, 4);
  const std::int64_t step = steps == nullptr ? 1 : steps->integers.empty() ? 0 : steps->integers[0];
  if (starts.size() != 1 || ends.size() != 1 || data.shape.empty() || step == 0 ||
      (!axes.empty() && axes != Sizes{0})) {
    return std::nullopt;
  }
  const std::int64_t rows = data.shape[0];
  const std::int64_t row = rows > 0 ? static_cast<std::int64_t>(data.integers.size()) / rows : 0;
  Sizes shape = data.shape;
  std::vector<std::int64_t> out;
  const auto taken = sliced(rows, starts[0], ends[0], step);
  for (const std::int64_t i : taken) {
    const auto first = data.integers.begin() + i * row;
    out.insert(out.end(), first, first + row);
  }
  shape[0] = static_cast<std::int64_t>(taken.size());
  return made(std::move(shape), std::move(out));
}

Result transpose(const NodeProto& node, const Inputs& inputs) {
  const OnnxConstant& data = *inputs[0];
  if (data.shape.size() < 2) return made(data.shape, data.integers);
  if (data.shape.size() != 2 || integers(node, "perm", {1, 0}) != Sizes{1, 0}) return std::nullopt;
  std::vector<std::int64_t> out;
  for (std::int64_t column = 0; column < data.shape[1]; ++column) {
    for (std::int64_t row = 0; row < data.shape[0]; ++row) {
      out.push_back(data.integers[static_cast<std::size_t>(row * data.shape[1] + column)]);
    }
  }
  return made({data.shape[1], data.shape[0]}, std::move(out));
}

// A number becomes a list of one, or a list of one a number.
Result with_axis(const Inputs& inputs) {
  const OnnxConstant& data = *inputs[0];
  if (!data.shape.empty()) return std::nullopt;
  return made({1}, data.integers);
}
Result without_axis(const Inputs& inputs) {
  const OnnxConstant& data = *inputs[0];
  if (data.shape != Sizes{1}) return std::nullopt;
  return made({}, data.integers);
}

bool add(std::int64_t a, std::int64_t b, std::int64_t* out) {
  return __builtin_add_overflow(a, b, out);
}
bool subtract(std::int64_t a, std::int64_t b, std::int64_t* out) {
  return __builtin_sub_overflow(a, b, out);
}
bool multiply(std::int64_t a, std::int64_t b, std::int64_t* out) {
  return __builtin_mul_overflow(a, b, out);
}

}  // namespace

std::vector<std::int64_t> sliced(std::int64_t size, std::int64_t start, std::int64_t end,
                                 std::int64_t step) {
  const std::int64_t least = step > 0 ? 0 : -1;
  const std::int64_t most = step > 0 ? size : size - 1;
  const auto bound = [&](std::int64_t i) {
    if (i < -size) return least;
    return std::clamp(i < 0 ? i + size : i, least, most);
  };
  const std::int64_t last = bound(end);
  std::vector<std::int64_t> out;
  for (std::int64_t i = bound(start); step > 0 ? i < last : i > last;) {
    out.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return out;
}

std::optional<OnnxConstant> integers_of(const onnx::NodeProto& node, const Inputs& inputs) {
  using Rule = Result (*)(const NodeProto&, const Inputs&);
  static const std::map<std::string, Rule, std::less<>> kKnown = {
      {"Add", [](const NodeProto&, const Inputs& in) { return arithmetic(in, add); }},
      {"Cast", cast},
      {"Concat", concat},
      {"ConstantOfShape", constant_of_shape},
      {"Gather", gather},
      {"Mul", [](const NodeProto&, const Inputs& in) { return arithmetic(in, multiply); }},
      {"Reshape", [](const NodeProto&, const Inputs& in) { return reshape(in); }},
      {"Slice", slice},
      {"Squeeze", [](const NodeProto&, const Inputs& in) { return without_axis(in); }},
      {"Sub", [](const NodeProto&, const Inputs& in) { return arithmetic(in, subtract); }},
      {"Transpose", transpose},
      {"Unsqueeze", [](const NodeProto&, const Inputs& in) { return with_axis(in); }},
  };
  const auto known = kKnown.find(node.op_type());
  if (known == kKnown.end() || inputs.empty() || inputs[0] == nullptr) return std::nullopt;
  std::int64_t elements = 0;
  for (const OnnxConstant* each : inputs) {
    if (each == nullptr) continue;
    if (each->is_real || each->shape.size() > 2) return std::nullopt;
    elements += static_cast<std::int64_t>(each->integers.size());
  }
  const bool optional_inputs = node.op_type() == "Slice";
  const bool complete =
      std::ranges::none_of(inputs, [](const OnnxConstant* each) { return each == nullptr; });
  if (elements > kMostElements || (!complete && !optional_inputs)) return std::nullopt;
  return known->second(node, inputs);
}

}  // namespace bitsweep::models
