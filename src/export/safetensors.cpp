#include "export/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/check.h"
#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace bitsweep::exporting {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are used as they lie");

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::size_t kMaxNameBytes = 1000;  // keeps name maps' regular expressions shallow

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<DTypeInfo, 13> kDTypes{{{DType::boolean, "BOOL", 1},
                                             {DType::u8, "U8", 1},
                                             {DType::i8, "I8", 1},
                                             {DType::i16, "I16", 2},
                                             {DType::u16, "U16", 2},
                                             {DType::f16, "F16", 2},
                                             {DType::bf16, "BF16", 2},
                                             {DType::i32, "I32", 4},
                                             {DType::u32, "U32", 4},
                                             {DType::f32, "F32", 4},
                                             {DType::i64, "I64", 8},
                                             {DType::u64, "U64", 8},
                                             {DType::f64, "F64", 8}}};

const DTypeInfo& info(DType dtype) {
  const auto it = std::ranges::find(kDTypes, dtype, &DTypeInfo::dtype);
  BITSWEEP_CHECK(it != kDTypes.end(), "dtype {}", static_cast<int>(dtype));
  return *it;
}

// A product of sizes that no file can have is reported as nothing.
std::optional<std::int64_t> count_elements(std::span<const std::int64_t> shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

// What a file is that is no safetensors file, from its first bytes; "" where they say nothing.
std::string_view foreign_format(std::span<const std::byte> content) {
  const auto starts_with = [&](std::string_view magic) {
    return content.size() >= magic.size() &&
           std::memcmp(content.data(), magic.data(), magic.size()) == 0;
  };
  if (starts_with("PK\x03\x04")) return "a zip archive (a PyTorch .pt file?)";
  if (content.size() >= 2 && content[0] == std::byte{0x80} && content[1] >= std::byte{2} &&
      content[1] <= std::byte{5}) {
    return "a pickle (a PyTorch .pt or .th file?)";
  }
  if (starts_with("\x89HDF\r\n")) return "an HDF5 file (Keras?)";
  return "";
}

// The start of something foreign, for messages.
std::string excerpt(std::string text) {
  constexpr std::size_t kLength = 60;
  if (text.size() > kLength) text = text.substr(0, kLength) + "…";
  return text;
}

std::string excerpt(const json& value) {
  return excerpt(value.dump(-1, ' ', true, json::error_handler_t::replace));
}

class Parser {
 public:
  Parser(std::span<const std::byte> content, const std::filesystem::path& path)
      : content_(content), path_(path.string()) {}

  void run() {
    find_header();
    const json header = parse_header();
    for (const auto& [name, entry] : header.items()) {
      if (name == kMetadataKey) {
        read_metadata(entry);
      } else {
        tensors.push_back(read_tensor(name, entry));
      }
    }
    check_coverage();
  }

  std::size_t data_begin = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;

 private:
  template <typename... Args>
  [[noreturn]] void refuse(std::size_t offset, fmt::format_string<Args...> format,
                           Args&&... args) const {
    throw DataError(fmt::format("{}: byte {}: {}", path_, offset,
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  [[noreturn]] void refuse_foreign(std::size_t offset, std::string_view otherwise) const {
    const std::string_view format = foreign_format(content_);
    if (format.empty()) refuse(offset, "{}", otherwise);
    throw DataError(
        fmt::format("{}: is {}, not safetensors, and never unpickled or unpacked under this name; "
                    "a PyTorch state dictionary ends in .pth",
                    path_, format));
  }

  void find_header() {
    if (content_.size() < kLengthBytes) {
      refuse_foreign(0, fmt::format("the file ends after {} bytes, expected a header length of 8",
                                    content_.size()));
    }
    std::uint64_t length = 0;
    std::memcpy(&length, content_.data(), kLengthBytes);
    const std::uint64_t room = content_.size() - kLengthBytes;
    const std::uint64_t limit = std::min(room, SafetensorsFile::kMaxHeaderBytes);
    if (length > limit) {
      refuse_foreign(0, fmt::format("header length {} is more than the {} bytes that {}", length,
                                    limit, length > room ? "follow" : "are read"));
    }
    data_begin = kLengthBytes + static_cast<std::size_t>(length);
    if (length == 0 || content_[kLengthBytes] != std::byte{'{'}) {
      refuse_foreign(kLengthBytes, "the header does not start with '{'");
    }
  }

  // The header with depth at most 3 ({name: {"shape": [..]}}) and without repeated keys, which the
  // JSON library itself would resolve silently.
  json parse_header() const {
    const auto* text = reinterpret_cast<const char*>(content_.data());
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
      if (event == json::parse_event_t::object_start) {
        keys.resize(static_cast<std::size_t>(depth) + 1);
        keys.back().clear();
      }
      if (depth > 2 && (event == json::parse_event_t::object_start ||
                        event == json::parse_event_t::array_start)) {
        refuse(kLengthBytes, "the header is nested deeper than a list in a tensor's entry");
      }
      if (event == json::parse_event_t::key) {
        auto& seen = keys[static_cast<std::size_t>(depth) - 1];
        const auto& key = value.get_ref<const std::string&>();
        if (!seen.insert(key).second)
          refuse(kLengthBytes, "the header has '{}' twice", excerpt(key));
      }
      return true;
    };
    try {
      return json::parse(text + kLengthBytes, text + data_begin, watch);
    } catch (const json::parse_error& error) {
      refuse(kLengthBytes + error.byte, "the header is not JSON");
    }
  }

  void read_metadata(const json& entry) {
    if (!entry.is_object()) refuse(kLengthBytes, "'{}' is not an object", kMetadataKey);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) {
        refuse(kLengthBytes, "'{}' of '{}' is not a string", excerpt(key), kMetadataKey);
      }
      metadata[key] = value.get<std::string>();
    }
  }

  TensorInfo read_tensor(const std::string& name, const json& entry) const {
    if (name.empty() || name.size() > kMaxNameBytes) {
      refuse(kLengthBytes, "a tensor's name has {} bytes, expected 1 to {}", name.size(),
             kMaxNameBytes);
    }
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
        !entry.contains("shape") || !entry.contains("data_offsets")) {
      refuse(kLengthBytes, "tensor '{}' does not have exactly dtype, shape and data_offsets", name);
    }
    TensorInfo tensor;
    tensor.name = name;
    const json& dtype = entry["dtype"];
    const auto known = std::ranges::find_if(kDTypes, [&](const DTypeInfo& candidate) {
      return dtype.is_string() && dtype.get_ref<const std::string&>() == candidate.name;
    });
    if (known == kDTypes.end()) {
      refuse(kLengthBytes, "tensor '{}' has dtype {}, expected F32, F16, BF16, F64, I8 …", name,
             excerpt(dtype));
    }
    tensor.dtype = known->dtype;
    tensor.shape = read_sizes(name, "shape", entry["shape"]);
    const auto offsets = read_sizes(name, "data_offsets", entry["data_offsets"]);
    if (offsets.size() != 2) {
      refuse(kLengthBytes, "tensor '{}' has {} data_offsets, expected 2", name, offsets.size());
    }
    const auto data_bytes = static_cast<std::int64_t>(content_.size() - data_begin);
    if (offsets[0] > offsets[1] || offsets[1] > data_bytes) {
      refuse(data_begin, "tensor '{}' has data_offsets {} to {}, but the data has {} bytes", name,
             offsets[0], offsets[1], data_bytes);
    }
    tensor.begin = static_cast<std::size_t>(offsets[0]);
    tensor.end = static_cast<std::size_t>(offsets[1]);
    const auto elements = count_elements(tensor.shape);
    const auto room = static_cast<std::int64_t>((tensor.end - tensor.begin) / known->bytes);
    if (!elements || *elements != room || (tensor.end - tensor.begin) % known->bytes != 0) {
      refuse(data_begin + tensor.begin, "tensor '{}' is {} [{}] but has {} bytes", name,
             known->name, fmt::join(tensor.shape, ", "), tensor.end - tensor.begin);
    }
    return tensor;
  }

  std::vector<std::int64_t> read_sizes(const std::string& name, std::string_view key,
                                       const json& list) const {
    if (!list.is_array()) refuse(kLengthBytes, "{} of tensor '{}' is not a list", key, name);
    std::vector<std::int64_t> sizes;
    for (const json& size : list) {
      if (!size.is_number_unsigned() ||
          size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        refuse(kLengthBytes, "{} of tensor '{}' holds {}, expected counts", key, name,
               excerpt(size));
      }
      sizes.push_back(size.get<std::int64_t>());
    }
    return sizes;
  }

  void check_coverage() {
    std::ranges::sort(tensors, [](const TensorInfo& a, const TensorInfo& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::size_t at = 0;
    for (const TensorInfo& tensor : tensors) {
      if (tensor.begin != at) {
        refuse(data_begin + std::min(at, tensor.begin), "tensor '{}' {} the tensor before it",
               tensor.name, tensor.begin < at ? "overlaps" : "leaves a gap after");
      }
      at = tensor.end;
    }
    if (data_begin + at != content_.size()) {
      refuse(data_begin + at, "{} bytes belong to no tensor", content_.size() - data_begin - at);
    }
  }

  std::span<const std::byte> content_;
  std::string path_;
};

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// IEEE 754 binary16, subnormals and non-finite values included; exact.
float from_float16(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  float magnitude = 0;
  if (exponent == 0x1f) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float element_to_float(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::f32:
      return load<float>(at);
    case DType::f64:
      return static_cast<float>(load<double>(at));
    case DType::f16:
      return from_float16(load<std::uint16_t>(at));
    case DType::bf16:
      return from_bfloat16(load<std::uint16_t>(at));
    case DType::i8:
      return load<std::int8_t>(at);
    case DType::u8:
      return load<std::uint8_t>(at);
    case DType::boolean:
      return load<std::uint8_t>(at) != 0;
    case DType::i16:
      return load<std::int16_t>(at);
    case DType::u16:
      return load<std::uint16_t>(at);
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      break;
  }
  BITSWEEP_CHECK(false, "{} has no float32 form", dtype_name(dtype));
  return 0;
}

}  // namespace

std::string_view dtype_name(DType dtype) { return info(dtype).name; }
std::size_t dtype_bytes(DType dtype) { return info(dtype).bytes; }

std::int64_t TensorInfo::elements() const {
  const auto elements = count_elements(shape);
  BITSWEEP_CHECK(elements.has_value(), "'{}' is larger than memory", name);
  return *elements;
}

SafetensorsFile SafetensorsFile::read(const std::filesystem::path& path) {
  return parse(read_binary_file(path), path);
}

SafetensorsFile SafetensorsFile::parse(std::vector<std::byte> content,
                                       const std::filesystem::path& path) {
  Parser parser(content, path);
  parser.run();
  SafetensorsFile file;
  file.path_ = path;
  file.data_begin_ = parser.data_begin;
  file.metadata_ = std::move(parser.metadata);
  file.tensors_ = std::move(parser.tensors);
  file.content_ = std::move(content);
  return file;
}

SafetensorsFile SafetensorsFile::with_room_for(std::vector<TensorInfo> tensors,
                                               const std::filesystem::path& path) {
  SafetensorsFile file;
  file.path_ = path;
  std::size_t at = 0;
  for (TensorInfo& tensor : tensors) {
    tensor.begin = at;
    at += static_cast<std::size_t>(tensor.elements()) * dtype_bytes(tensor.dtype);
    tensor.end = at;
  }
  file.tensors_ = std::move(tensors);
  file.content_.resize(at);
  return file;
}

std::span<std::byte> SafetensorsFile::mutable_bytes(const TensorInfo& tensor) {
  return std::span(content_).subspan(data_begin_ + tensor.begin, tensor.end - tensor.begin);
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto it = std::ranges::find(tensors_, name, &TensorInfo::name);
  return it == tensors_.end() ? nullptr : &*it;
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorInfo& tensor) const {
  return std::span(content_).subspan(data_begin_ + tensor.begin, tensor.end - tensor.begin);
}

std::vector<float> to_float(const SafetensorsFile& file, const TensorInfo& tensor) {
  if (dtype_bytes(tensor.dtype) >= 4 && tensor.dtype != DType::f32 && tensor.dtype != DType::f64) {
    throw DataError(fmt::format("{}: tensor '{}' is {}, expected floating point",
                                file.path().string(), tensor.name, dtype_name(tensor.dtype)));
  }
  const auto bytes = file.bytes(tensor);
  const std::size_t step = dtype_bytes(tensor.dtype);
  std::vector<float> out(bytes.size() / step);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = element_to_float(tensor.dtype, bytes.data() + i * step);
  }
  return out;
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorData> tensors,
                       const Metadata& metadata) {
  std::ranges::sort(tensors, [](const TensorData& a, const TensorData& b) {
    return std::pair(dtype_bytes(b.dtype), std::string_view(a.name)) <
           std::pair(dtype_bytes(a.dtype), std::string_view(b.name));
  });
  json header = json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::size_t at = 0;
  for (const TensorData& tensor : tensors) {
    const auto elements = count_elements(tensor.shape);
    BITSWEEP_CHECK(elements && tensor.bytes.size() ==
                                   static_cast<std::size_t>(*elements) * dtype_bytes(tensor.dtype),
                   "'{}' is {} [{}] but has {} bytes", tensor.name, dtype_name(tensor.dtype),
                   fmt::join(tensor.shape, ", "), tensor.bytes.size());
    BITSWEEP_CHECK(!header.contains(tensor.name), "two tensors named '{}'", tensor.name);
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');

  const std::uint64_t length = text.size();
  std::vector<std::byte> content(kLengthBytes + text.size() + at);
  std::memcpy(content.data(), &length, kLengthBytes);
  std::memcpy(content.data() + kLengthBytes, text.data(), text.size());
  std::byte* out = content.data() + kLengthBytes + text.size();
  for (const TensorData& tensor : tensors) {
    out = std::ranges::copy(tensor.bytes, out).out;
  }
  write_file_atomic(path, content);
}

}  // namespace bitsweep::exporting
