// Safetensors files: 8 bytes of header length (little endian), a JSON header
// {"name": {"dtype", "shape", "data_offsets"}, …, "__metadata__": {…}}, then the tensors' bytes.
// Reads data and nothing else: pickles and archives are refused (export/torch_file.h reads those).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::exporting {

enum class DType { boolean, u8, i8, i16, u16, f16, bf16, i32, u32, f32, i64, u64, f64 };

std::string_view dtype_name(DType dtype);  // as in the header: "F32", "I8", "BF16", "BOOL" …
std::size_t dtype_bytes(DType dtype);      // bytes of one element

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // row-major; empty for a scalar
  std::size_t begin = 0;            // byte offsets into the data, which follows the header
  std::size_t end = 0;
  std::int64_t elements() const;
};

using Metadata = std::map<std::string, std::string>;

// A whole file in memory, checked: the tensors lie within the data, cover all of it without overlap
// or gap, are as long as dtype and shape say, and have names of their own.
class SafetensorsFile {
 public:
  static constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

  // Throws DataError with the file, the byte offset of the fault and what was expected.
  static SafetensorsFile read(const std::filesystem::path& path);
  // The same on bytes; `path` is for messages.
  static SafetensorsFile parse(std::vector<std::byte> content, const std::filesystem::path& path);

  // Tensors with these names, types and shapes (begin and end are set here), all bytes 0: for
  // readers of other formats, which fill them. The caller has checked the sizes.
  static SafetensorsFile with_room_for(std::vector<TensorInfo> tensors,
                                       const std::filesystem::path& path);
  std::span<std::byte> mutable_bytes(const TensorInfo& tensor);

  const std::filesystem::path& path() const { return path_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in order of their bytes
  const TensorInfo* find(std::string_view name) const;               // nullptr where there is none
  std::span<const std::byte> bytes(const TensorInfo& tensor) const;  // little endian, row-major
  std::size_t data_begin() const { return data_begin_; }  // where in the file the data starts

 private:
  SafetensorsFile() = default;

  std::filesystem::path path_;
  std::vector<std::byte> content_;
  std::size_t data_begin_ = 0;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
};

// The values as float32, for the floating types (F64 rounds to nearest) and BOOL, I8, U8, I16, U16.
// Throws DataError for the wider integer types, which float32 does not hold.
std::vector<float> to_float(const SafetensorsFile& file, const TensorInfo& tensor);

// A tensor to write; `bytes` (little endian, row-major) is not owned.
struct TensorData {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes atomically: widest elements first, then by name, so that every tensor is aligned and the
// same tensors give the same bytes; the data starts at a multiple of 8. Throws EnvironmentError.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorData> tensors,
                       const Metadata& metadata = {});

}  // namespace bitsweep::exporting
