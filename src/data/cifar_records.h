// The record format of CIFAR's binary versions: label bytes (CIFAR-10 one, CIFAR-100 the coarse and
// the fine class), then channels · height · width bytes, planar, row by row.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "data/dataset.h"

namespace bitsweep::data {

// Appends the first `images` records of `file` to `out`. The whole file is checked. `where` names
// the file in errors. Throws DataError with the offset where the file ends within a record, has
// another number of records, or a label out of range; and where its checksum is not file.checksum.
void append_records(std::span<const std::byte> bytes, const RecordFile& file,
                    const Dataset& dataset, std::int64_t images, const std::string& where,
                    Images& out);

}  // namespace bitsweep::data
