// Reading tars, zips, and single compressed files, entry by entry (libarchive).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct archive;

namespace bitsweep::data {

enum class ArchiveFormat {
  raw,  // one file, compressed with xz or gzip or not at all
  tar,  // perhaps compressed likewise
  zip,  // whole, with its directory at the end
};

struct ArchiveEntry {
  std::string name;  // path within the archive; of a raw file whatever libarchive calls it
  std::uint64_t size = 0;
  std::int64_t time = 0;  // seconds
};

// Throws DataError that begins with the file's name (and the entry's) for whatever goes wrong.
class ArchiveFile {
 public:
  ArchiveFile(const std::filesystem::path& path, ArchiveFormat format);

  // The next entry; what was not read of the one before is passed over. Nothing after the last.
  std::optional<ArchiveEntry> next();
  // The content of the entry that next() gave.
  std::vector<std::byte> read(std::uint64_t max_bytes);

 private:
  struct Closer {
    void operator()(archive* handle) const;
  };
  std::string error_text() const;
  std::string where() const;

  std::filesystem::path path_;
  ArchiveFormat format_;
  std::string entry_;
  std::unique_ptr<archive, Closer> handle_;
};

}  // namespace bitsweep::data
