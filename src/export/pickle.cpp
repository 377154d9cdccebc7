#include "export/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"
#include "export/safetensors.h"

namespace bitsweep::exporting {
namespace {

struct StorageType {
  std::string_view global;
  DType dtype;
};
constexpr std::array kStorageTypes{
    StorageType{"torch.FloatStorage", DType::f32}, StorageType{"torch.DoubleStorage", DType::f64},
    StorageType{"torch.HalfStorage", DType::f16}, StorageType{"torch.BFloat16Storage", DType::bf16},
    StorageType{"torch.LongStorage", DType::i64}};

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kSize = "torch.Size";
constexpr std::string_view kTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";

bool is_known_global(std::string_view name) {
  return name == kOrderedDict || name == kSize || name == kTensor || name == kParameter ||
         std::ranges::find(kStorageTypes, name, &StorageType::global) != kStorageTypes.end();
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::size_t base) : bytes_(bytes), base_(base) {}

  Pickle run() {
    while (step()) {
    }
    out_.size = at_;
    return std::move(out_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(fmt::format("offset {}: {}", base_ + opcode_at_,
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  // --- operands in the byte stream ---
  std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size() - at_) refuse("the pickle is cut short");
    const auto out = bytes_.subspan(at_, count);
    at_ += count;
    return out;
  }
  std::uint64_t unsigned_operand(std::size_t bytes) {
    std::uint64_t value = 0;
    const auto from = take(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
    }
    return value;
  }
  std::string text_operand(std::size_t length_bytes) {
    const auto from = take(unsigned_operand(length_bytes));
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  std::string line_operand() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    if (end == rest.end()) refuse("the pickle is cut short");
    const auto length = static_cast<std::size_t>(end - rest.begin());
    const auto line = take(length + 1).first(length);
    return {reinterpret_cast<const char*>(line.data()), line.size()};
  }
  // A two's complement number of any length; more than 64 bits only in PyTorch's magic number,
  // which keeps its lowest ones.
  std::int64_t long_operand() {
    const auto from = take(unsigned_operand(1));
    std::uint64_t value = 0;
    const bool negative = !from.empty() && (from.back() & std::byte{0x80}) != std::byte{0};
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint64_t fill = negative ? 0xFF : 0;
      const std::uint64_t byte = i < from.size() ? std::to_integer<std::uint64_t>(from[i]) : fill;
      value |= byte << (8 * i);
    }
    return static_cast<std::int64_t>(value);
  }
  double real_operand() {
    std::uint64_t bits = 0;
    for (const std::byte byte : take(8)) bits = bits << 8 | std::to_integer<std::uint64_t>(byte);
    return std::bit_cast<double>(bits);
  }

  // --- the stack ---
  void push(PickledValue value) {
    out_.values.push_back(std::move(value));
    stack_.push_back(out_.values.size() - 1);
  }
  PickleRef pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back())) {
      refuse("there is nothing on the stack");
    }
    const PickleRef out = stack_.back();
    stack_.pop_back();
    return out;
  }
  PickleRef top() {
    const PickleRef out = pop();
    stack_.push_back(out);
    return out;
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) refuse("there is no mark on the stack");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> out(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return out;
  }
  template <typename T>
  T& as(PickleRef ref, const char* what) {
    auto* value = std::get_if<T>(&out_.values[ref]);
    if (value == nullptr) refuse("expected {}", what);
    return *value;
  }
  void push_list(std::vector<PickleRef> items) { push(PickledList{std::move(items)}); }
  void push_tuple(std::size_t size) {
    std::vector<PickleRef> items(size);
    for (std::size_t i = size; i > 0; --i) items[i - 1] = pop();
    push_list(std::move(items));
  }
  void set_items(const std::vector<PickleRef>& items) {
    if (items.size() % 2 != 0) refuse("a key without a value");
    auto& dictionary = as<PickledDict>(top(), "a dictionary");
    for (std::size_t i = 0; i < items.size(); i += 2) {
      dictionary.items.emplace_back(items[i], items[i + 1]);
    }
  }
  void append(const std::vector<PickleRef>& items) {
    auto& list = as<PickledList>(top(), "a list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void put(std::uint64_t name) { memo_[name] = top(); }
  void get(std::uint64_t name) {
    const auto it = memo_.find(name);
    if (it == memo_.end()) refuse("there is no value {} to get", name);
    stack_.push_back(it->second);
  }

  // --- what the pickle names and calls ---
  void push_global(const std::string& module, const std::string& name) {
    PickledGlobal global{module + "." + name};
    if (!is_known_global(global.name)) {
      refuse(
          "'{}' is not allowed: tensors of float32, float16, bfloat16, float64 and int64 in "
          "(ordered) dictionaries are read, and no code is ever run",
          printable(global.name));
    }
    push(std::move(global));
  }
  static std::string printable(std::string text) {
    constexpr std::size_t kMost = 80;
    text.resize(std::min(text.size(), kMost));
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 32 || c > 126; }, '?');
    return text;
  }

  std::vector<std::int64_t> integers(PickleRef ref) {
    std::vector<std::int64_t> out;
    for (const PickleRef item : as<PickledList>(ref, "a tuple").items) {
      out.push_back(as<std::int64_t>(item, "an integer"));
    }
    return out;
  }

  void reduce() {
    const std::vector<PickleRef> arguments = as<PickledList>(pop(), "arguments").items;
    const std::string name = as<PickledGlobal>(pop(), "a function").name;
    const auto need = [&](std::size_t count) {
      if (arguments.size() < count) refuse("{} with {} arguments", name, arguments.size());
    };
    if (name == kOrderedDict) {
      if (!arguments.empty()) refuse("{} with arguments", name);
      push(PickledDict{});
    } else if (name == kSize) {
      need(1);
      stack_.push_back(arguments[0]);
    } else if (name == kParameter) {
      need(1);
      static_cast<void>(as<PickledTensor>(arguments[0], "a tensor"));
      stack_.push_back(arguments[0]);
    } else if (name == kTensor) {
      need(4);
      PickledTensor tensor;
      tensor.storage = as<PickledStorage>(arguments[0], "a storage");
      tensor.offset = as<std::int64_t>(arguments[1], "an offset");
      tensor.shape = integers(arguments[2]);
      tensor.strides = integers(arguments[3]);
      push(std::move(tensor));
    } else {
      refuse("'{}' is no function", name);
    }
  }

  // ('storage', type, key, device, elements, …)
  void persistent_load() {
    const std::vector<PickleRef> id = as<PickledList>(pop(), "a tuple").items;
    if (id.size() < 5 || as<std::string>(id[0], "a string") != "storage") {
      refuse("expected a persistent storage");
    }
    const std::string type = as<PickledGlobal>(id[1], "a type of storage").name;
    const auto it = std::ranges::find(kStorageTypes, type, &StorageType::global);
    if (it == kStorageTypes.end()) refuse("'{}' is no type of storage", type);
    push(PickledStorage{it->dtype, as<std::string>(id[2], "a key"),
                        as<std::int64_t>(id[4], "a number of elements")});
  }

  // One opcode; false at the end.
  bool step() {
    opcode_at_ = at_;
    const auto opcode = std::to_integer<unsigned char>(take(1)[0]);
    switch (opcode) {
      case '.':
        out_.top = pop();
        return false;
      case 0x80: {
        const std::uint64_t protocol = unsigned_operand(1);
        if (protocol < 2 || protocol > 5) refuse("pickle protocol {}; expected 2 to 5", protocol);
        break;
      }
      case 0x95:
        take(8);
        break;  // FRAME
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 'N':
        push(PickledNone{});
        break;
      case 0x88:
        push(true);
        break;
      case 0x89:
        push(false);
        break;
      case 'K':
        push(static_cast<std::int64_t>(unsigned_operand(1)));
        break;
      case 'M':
        push(static_cast<std::int64_t>(unsigned_operand(2)));
        break;
      case 'J':
        push(std::int64_t{static_cast<std::int32_t>(unsigned_operand(4))});
        break;
      case 0x8a:
        push(long_operand());
        break;
      case 'G':
        push(real_operand());
        break;
      case 'U':  // SHORT_BINSTRING
      case 0x8c:
        push(text_operand(1));
        break;
      case 'T':  // BINSTRING
      case 'X':
        push(text_operand(4));
        break;
      case ']':
      case ')':
        push_list({});
        break;
      case '}':
        push(PickledDict{});
        break;
      case 't':
        push_list(pop_to_mark());
        break;
      case 0x85:
        push_tuple(1);
        break;
      case 0x86:
        push_tuple(2);
        break;
      case 0x87:
        push_tuple(3);
        break;
      case 'a':
        append({pop()});
        break;
      case 'e':
        append(pop_to_mark());
        break;
      case 's': {
        const PickleRef value = pop();
        set_items({pop(), value});
        break;
      }
      case 'u':
        set_items(pop_to_mark());
        break;
      case 'q':
        put(unsigned_operand(1));
        break;
      case 'r':
        put(unsigned_operand(4));
        break;
      case 0x94:
        put(memo_.size());
        break;
      case 'h':
        get(unsigned_operand(1));
        break;
      case 'j':
        get(unsigned_operand(4));
        break;
      case 'c': {
        const std::string module = line_operand();
        push_global(module, line_operand());
        break;
      }
      case 0x93: {
        const std::string name = as<std::string>(pop(), "a name");
        push_global(as<std::string>(pop(), "a module"), name);
        break;
      }
      case 'R':
        reduce();
        break;
      case 'b':  // attributes of a state dictionary (versions of its modules): nothing we need
        pop();
        static_cast<void>(as<PickledDict>(top(), "a dictionary with attributes"));
        break;
      case 'Q':
        persistent_load();
        break;
      default:
        refuse("opcode 0x{:02x} is not allowed in a file of tensors", opcode);
    }
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t base_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  Pickle out_;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::unordered_map<std::uint64_t, PickleRef> memo_;
};

}  // namespace

const PickledValue* Pickle::find(const PickledValue& dictionary, const std::string& key) const {
  const auto* items = std::get_if<PickledDict>(&dictionary);
  if (items == nullptr) return nullptr;
  for (const auto& [name, value] : items->items) {
    const auto* text = std::get_if<std::string>(&values[name]);
    if (text != nullptr && *text == key) return &values[value];
  }
  return nullptr;
}

Pickle read_pickle(std::span<const std::byte> bytes, std::size_t base) {
  return Reader(bytes, base).run();
}

}  // namespace bitsweep::exporting
