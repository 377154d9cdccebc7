#include "integer/file.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "export/checked_document.h"
#include "export/packing.h"
#include "integer/structure.h"

namespace bitsweep::integer {
namespace {

using exporting::PackedLayout;
using nlohmann::json;

constexpr exporting::DocumentKind kKind{"bitsweep.integers", 1, "integer network"};
constexpr int kMostPackedBits = 16;

// Two's complement of `bits` bits, as a number from 0.
std::vector<std::int32_t> as_unsigned(std::span<const std::int32_t> values, int bits) {
  std::vector<std::int32_t> out(values.begin(), values.end());
  for (std::int32_t& value : out) value &= (std::int32_t{1} << bits) - 1;
  return out;
}

// The reverse.
std::vector<std::int32_t> as_signed(std::vector<std::int32_t> values, int bits) {
  const std::int32_t sign = std::int32_t{1} << (bits - 1);
  for (std::int32_t& value : values) value = (value ^ sign) - sign;
  return values;
}

// Bits that an array is stored in: its own up to 8, then 16, then whole int32 (0).
int packed_bits(int bits) { return bits <= kMostPackedBits ? exporting::stored_bits(bits) : 0; }

json add(exporting::TensorBag& bag, const IntegerArray& array) {
  if (array.real) {
    bag.add(array.name, array.reals, array.shape);
    return {{"real", true}, {"shape", array.shape}};
  }
  const int bits = packed_bits(array.bits);
  if (bits == 0) {
    bag.add(array.name, array.values, array.shape);
  } else {
    const PackedLayout layout{{bits}, static_cast<std::int64_t>(array.values.size())};
    const std::vector<std::byte> packed = exporting::pack(as_unsigned(array.values, bits), layout);
    bag.add<std::uint8_t>(array.name,
                          {reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()},
                          {static_cast<std::int64_t>(packed.size())});
  }
  return {{"bits", bits}, {"shape", array.shape}};
}

class Source {
 public:
  Source(const exporting::SafetensorsFile& file, const json& arrays)
      : file_(file), arrays_(arrays) {}

  std::vector<std::int32_t> integers(const std::string& name, std::int64_t elements) const {
    const int bits = arrays_.at(name).at("bits").get<int>();
    if (bits < 0 || bits > kMostPackedBits) {
      throw DataError(fmt::format("{}: '{}' has {} bits", file_.path().string(), name, bits));
    }
    if (bits == 0) return checked(name, exporting::values_of<std::int32_t>(file_, name), elements);
    const auto packed = exporting::values_of<std::uint8_t>(file_, name);
    return as_signed(exporting::unpack(std::as_bytes(std::span(packed)), {{bits}, elements},
                                       fmt::format("{}: tensor '{}'", file_.path().string(), name)),
                     bits);
  }
  std::vector<float> reals(const std::string& name, std::int64_t elements) const {
    return checked(name, exporting::values_of<float>(file_, name), elements);
  }

 private:
  template <class T>
  std::vector<T> checked(const std::string& name, std::vector<T> values,
                         std::int64_t elements) const {
    if (static_cast<std::int64_t>(values.size()) != elements) {
      throw DataError(fmt::format("{}: tensor '{}' has {} values, expected {}",
                                  file_.path().string(), name, values.size(), elements));
    }
    return values;
  }

  const exporting::SafetensorsFile& file_;
  const json& arrays_;
};

}  // namespace

void save(const std::filesystem::path& path, const Network& network, const json& about) {
  exporting::TensorBag bag;
  json arrays = json::object();
  for (const IntegerArray& array : arrays_of(network)) arrays[array.name] = add(bag, array);
  exporting::write_checked(
      path, bag,
      {{"about", about}, {"structure", structure_of(network)}, {"arrays", std::move(arrays)}},
      kKind);
}

bool is_integer_file(const exporting::SafetensorsFile& file) {
  return file.metadata().contains(std::string(kKind.entry));
}

Network load(const exporting::SafetensorsFile& file) {
  const json document = exporting::checked_document(file, kKind);
  try {
    const Source source(file, document.at("arrays"));
    return network_from(
        document.at("structure"),
        {[&](const std::string& name, std::int64_t n) { return source.integers(name, n); },
         [&](const std::string& name, std::int64_t n) { return source.reals(name, n); }},
        file.path().string());
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: '{}' is not as expected: {}", file.path().string(),
                                kKind.entry, error.what()));
  }
}

json about_of(const exporting::SafetensorsFile& file) {
  return exporting::checked_document(file, kKind).value("about", json::object());
}

}  // namespace bitsweep::integer
