// Reading arrays of golden files.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/file.h"
#include "golden.h"

namespace bitsweep::golden {
namespace {

static_assert(std::endian::native == std::endian::little, "golden .npy files are little-endian");

double number(const Json& node) {
  if (node.is_number()) return node.get<double>();
  if (node.is_boolean()) return node.get<bool>() ? 1.0 : 0.0;
  if (node == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (node == "inf") return std::numeric_limits<double>::infinity();
  if (node == "-inf") return -std::numeric_limits<double>::infinity();
  throw DataError(fmt::format("{} is no number", node.dump().substr(0, 40)));
}

std::int64_t element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || (extent > 0 && count > (std::int64_t{1} << 32) / extent))
      throw DataError(fmt::format("impossible extent {} in a shape", extent));
    count *= extent;
  }
  return count;
}

// The value of a key of the header dictionary of a .npy file, as text.
std::string header_value(const std::string& header, const std::string& key) {
  const auto at = header.find("'" + key + "':");
  if (at == std::string::npos) throw DataError("the .npy header has no " + key);
  auto begin = header.find_first_not_of(' ', at + key.size() + 3);
  if (begin == std::string::npos) throw DataError("the .npy header ends after " + key);
  const auto end = header[begin] == '(' ? header.find(')', begin) : header.find(',', begin);
  if (end == std::string::npos) throw DataError("the .npy header ends within " + key);
  return header.substr(begin, end - begin);
}

template <class T>
std::vector<double> elements(std::span<const std::byte> bytes, std::int64_t count) {
  if (bytes.size() != static_cast<std::size_t>(count) * sizeof(T))
    throw DataError(fmt::format("{} bytes of data where {} elements of {} bytes are announced",
                                bytes.size(), count, sizeof(T)));
  std::vector<double> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(value);
  }
  return out;
}

struct ElementType {
  const char* descr;
  const char* dtype;
  std::vector<double> (*read)(std::span<const std::byte>, std::int64_t);
};

constexpr ElementType kElementTypes[] = {
    {"<f4", "float32", elements<float>},        {"<f8", "float64", elements<double>},
    {"|i1", "int8", elements<std::int8_t>},     {"|u1", "uint8", elements<std::uint8_t>},
    {"|b1", "uint8", elements<std::uint8_t>},   {"<i2", "int16", elements<std::int16_t>},
    {"<u2", "uint16", elements<std::uint16_t>}, {"<i4", "int32", elements<std::int32_t>},
    {"<u4", "uint32", elements<std::uint32_t>}, {"<i8", "int64", elements<std::int64_t>},
};

Array parse_npy(std::span<const std::byte> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < 10 || std::memcmp(text, "\x93NUMPY", 6) != 0)
    throw DataError("it does not begin like a .npy file");
  const auto major = static_cast<unsigned char>(text[6]);
  const std::size_t length_bytes = major >= 2 ? 4 : 2;
  if (bytes.size() < 8 + length_bytes) throw DataError("it ends within its header");
  std::uint32_t length = 0;
  std::memcpy(&length, text + 8, length_bytes);
  const std::size_t start = 8 + length_bytes;
  if (bytes.size() - start < length) throw DataError("it ends within its header");
  const std::string header(text + start, length);
  if (header_value(header, "fortran_order") != "False") throw DataError("it is not in C order");

  Array out;
  const std::string shape = header_value(header, "shape").substr(1);
  for (const char* at = shape.c_str(); *at != '\0';) {
    char* end = nullptr;
    const long long extent = std::strtoll(at, &end, 10);
    if (end == at) break;
    out.shape.push_back(extent);
    at = end + (*end == ',');
  }
  std::string descr = header_value(header, "descr");
  if (descr.size() > 2) descr = descr.substr(1, descr.size() - 2);
  for (const ElementType& type : kElementTypes) {
    if (descr != type.descr) continue;
    out.dtype = type.dtype;
    out.data = type.read(bytes.subspan(start + length), element_count(out.shape));
    return out;
  }
  throw DataError("it holds elements of type " + descr);
}

std::vector<double> numbers(const Json& list) {
  std::vector<double> out;
  out.reserve(list.size());
  for (const Json& entry : list) out.push_back(number(entry));
  return out;
}

template <class T>
Json pack_as(const char* dtype, std::span<const T> data, std::vector<std::int64_t> shape) {
  if (element_count(shape) != static_cast<std::int64_t>(data.size()))
    throw DataError(
        fmt::format("an answer has {} elements, its shape {}", data.size(), element_count(shape)));
  Json list = Json::array();
  for (const T value : data) list.push_back(value);
  return {{"dtype", dtype}, {"shape", std::move(shape)}, {"data", std::move(list)}};
}

}  // namespace

std::vector<float> Array::floats() const {
  std::vector<float> out(data.size());
  for (std::size_t i = 0; i < data.size(); ++i) out[i] = static_cast<float>(data[i]);
  return out;
}

std::vector<std::int32_t> Array::ints() const {
  std::vector<std::int32_t> out(data.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (!(std::abs(data[i]) <= 0x1p31 - 1) || data[i] != std::trunc(data[i]))
      throw DataError(fmt::format("{} is no int32", data[i]));
    out[i] = static_cast<std::int32_t>(data[i]);
  }
  return out;
}

Array read_npy(const std::filesystem::path& path) {
  try {
    return parse_npy(read_binary_file(path));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

Array read_array(const Json& node, const std::filesystem::path& folder) {
  if (node.is_array()) return {"", {static_cast<std::int64_t>(node.size())}, numbers(node)};
  if (!node.is_object()) return {"", {}, {number(node)}};
  Array out;
  try {
    out.dtype = node.at("dtype").get<std::string>();
    out.shape = node.at("shape").get<std::vector<std::int64_t>>();
    if (node.contains("npy")) {
      const Array file = read_npy(folder / node.at("npy").get<std::string>());
      if (file.dtype != out.dtype || file.shape != out.shape)
        throw DataError(fmt::format("{} holds {} elements of {}, the case says {} of {}",
                                    node.at("npy").get<std::string>(), file.data.size(), file.dtype,
                                    element_count(out.shape), out.dtype));
      return file;
    }
    out.data = numbers(node.at("data"));
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("an array is malformed: {}", error.what()));
  }
  if (static_cast<std::int64_t>(out.data.size()) != element_count(out.shape))
    throw DataError(fmt::format("an array has {} elements, its shape {}", out.data.size(),
                                element_count(out.shape)));
  if (out.dtype == "float32")
    for (double& value : out.data) value = static_cast<float>(value);
  return out;
}

Array Case::input(const std::string& input_name) const {
  if (!inputs.contains(input_name)) throw DataError("the case has no input " + input_name);
  return read_array(inputs.at(input_name), folder);
}

Array Case::param(const std::string& param_name) const {
  return read_array(value(param_name), folder);
}

const Json& Case::value(const std::string& param_name) const {
  if (!params.contains(param_name)) throw DataError("the case has no parameter " + param_name);
  return params.at(param_name);
}

Json pack(std::span<const float> data, std::vector<std::int64_t> shape) {
  return pack_as("float32", data, std::move(shape));
}
Json pack(std::span<const double> data, std::vector<std::int64_t> shape) {
  return pack_as("float64", data, std::move(shape));
}
Json pack(std::span<const std::int32_t> data, std::vector<std::int64_t> shape) {
  return pack_as("int32", data, std::move(shape));
}
Json pack(std::span<const std::uint8_t> data, std::vector<std::int64_t> shape) {
  return pack_as("uint8", data, std::move(shape));
}

}  // namespace bitsweep::golden
