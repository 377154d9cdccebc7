#include "data/cifar_records.h"

#include "core/error.h"
#include "core/hash.h"

namespace bitsweep::data {

void append_records(std::span<const std::byte> bytes, const RecordFile& file,
                    const Dataset& dataset, std::int64_t images, const std::string& where,
                    Images& out) {
  const auto pixels = static_cast<std::size_t>(dataset.shape.elements());
  const std::size_t record = 1 + pixels;
  const std::size_t records = bytes.size() / record;
  if (bytes.size() % record != 0) {
    throw DataError(
        fmt::format("{}: the record of image {}, which begins at offset {}, is cut short: it has "
                    "{} of {} bytes",
                    where, records, records * record, bytes.size() % record, record));
  }
  if (records != static_cast<std::size_t>(file.images)) {
    throw DataError(fmt::format("{}: holds {} images of {} bytes, expected {}", where, records,
                                record, file.images));
  }
  for (std::size_t i = 0; i < records; ++i) {
    const auto label = std::to_integer<std::int64_t>(bytes[i * record]);
    if (label >= dataset.num_classes()) {
      throw DataError(fmt::format("{}: image {} has label {} at offset {}; labels are 0 to {}",
                                  where, i, label, i * record, dataset.num_classes() - 1));
    }
  }
  if (const std::string digest = sha256_hex(bytes); digest != file.sha256) {
    throw DataError(fmt::format("{}: SHA-256 of the content is {}, but {} of '{}' has {}", where,
                                digest, file.name, dataset.name, file.sha256));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * record;
    out.labels.push_back(*begin);
    out.pixels.insert(out.pixels.end(), begin + 1, begin + record);
  }
}

}  // namespace bitsweep::data
