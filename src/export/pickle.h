// The part of Python's pickle format that PyTorch's state dictionaries are written in. Nothing is
// ever called or looked up: opcodes and globals outside a list are refused, and the few calls on
// the list become plain values here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bitsweep::exporting {

enum class DType;

// The memory that tensors of a PyTorch file lie in.
struct PickledStorage {
  DType dtype{};
  std::string key;  // names it within the file
  std::int64_t elements = 0;
};

struct PickledTensor {
  PickledStorage storage;
  std::int64_t offset = 0;  // all in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

// A value of the pickle: values refer to others by their position in Pickle::values.
using PickleRef = std::size_t;
struct PickledNone {};
struct PickledGlobal {
  std::string name;  // "collections.OrderedDict"
};
struct PickledList {  // or tuple
  std::vector<PickleRef> items;
};
struct PickledDict {
  std::vector<std::pair<PickleRef, PickleRef>> items;
};
using PickledValue =
    std::variant<PickledNone, bool, std::int64_t, double, std::string, PickledGlobal, PickledList,
                 PickledDict, PickledStorage, PickledTensor>;

struct Pickle {
  std::vector<PickledValue> values;
  PickleRef top = 0;
  std::size_t size = 0;  // bytes that it takes

  // The value that a dictionary has under a string; nullptr where it has none or is none.
  const PickledValue* find(const PickledValue& dictionary, const std::string& key) const;
};

// Reads one pickle (protocols 2 to 5) from the beginning of `bytes`; what follows it is left alone.
// Throws DataError, beginning with "offset N: ", where N counts from `base`: an opcode or global
// that is not on the list (named), operands of another type, a cut-short pickle.
Pickle read_pickle(std::span<const std::byte> bytes, std::size_t base = 0);

}  // namespace bitsweep::exporting
