// Where the files of a data set lie, and their bytes: plain, .xz, or inside the official archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bitsweep::data {

// The folders that are searched, in order: `root` alone where it is not empty; else $BITSWEEP_DATA,
// data/, ../shared/data, and what the repository (or the installed program) carries.
std::vector<std::filesystem::path> search_path(const std::string& root);

struct Source {
  std::filesystem::path path;  // a file, or a folder of images
  std::string member;  // file within the archive `path`; "" = `path` itself, perhaps compressed
};

// Nothing where no folder of the search path has it.
std::optional<Source> find_file(const Dataset& dataset, const RecordFile& file,
                                const std::string& root);
// The same; throws DataError that says where it looked and how to get the data.
Source require_file(const Dataset& dataset, const RecordFile& file, const std::string& root);

// The decoded bytes. Throws DataError naming the file where it cannot be read or decoded, or holds
// more than `max_bytes`.
std::vector<std::byte> read_source(const Source& source, std::uint64_t max_bytes);

// "…/test_batch.bin.xz", or "…/cifar-10-binary.tar.gz (test_batch.bin)".
std::string describe(const Source& source);

}  // namespace bitsweep::data
