#include "data/cifar_records.h"

#include "core/error.h"
#include "core/hash.h"

namespace bitsweep::data {

void append_records(std::span<const std::byte> bytes, const RecordFile& file,
                    const Dataset& dataset, std::int64_t images, const std::string& where,
                    Images& out) {
  const auto record = static_cast<std::size_t>(dataset.record_bytes());
  const auto label_at = static_cast<std::size_t>(dataset.label_bytes - 1);
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
    const std::size_t offset = i * record + label_at;
    const auto label = std::to_integer<std::int64_t>(bytes[offset]);
    if (label >= dataset.num_classes()) {
      throw DataError(fmt::format("{}: image {} has label {} at offset {}; labels are 0 to {}",
                                  where, i, label, offset, dataset.num_classes() - 1));
    }
  }
  constexpr std::string_view kSha1 = "sha1:";
  const bool by_sha1 = file.checksum.starts_with(kSha1);
  const std::string digest = by_sha1 ? std::string(kSha1) + sha1_hex(bytes) : sha256_hex(bytes);
  if (digest != file.checksum) {
    throw DataError(fmt::format("{}: {} of the content is {}, but {} of '{}' has {}", where,
                                by_sha1 ? "SHA-1" : "SHA-256", digest, file.name, dataset.name,
                                file.checksum));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * record;
    out.labels.push_back(begin[label_at]);
    out.pixels.insert(out.pixels.end(), begin + dataset.label_bytes, begin + record);
  }
}

}  // namespace bitsweep::data
