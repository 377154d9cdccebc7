#include "data/archive_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>

#include "core/error.h"

namespace bitsweep::data {

void ArchiveFile::Closer::operator()(archive* handle) const { archive_read_free(handle); }

ArchiveFile::ArchiveFile(const std::filesystem::path& path, ArchiveFormat format)
    : path_(path), format_(format), handle_(archive_read_new()) {
  if (format == ArchiveFormat::zip) {
    archive_read_support_format_zip_seekable(handle_.get());
  } else {
    archive_read_support_filter_xz(handle_.get());
    archive_read_support_filter_gzip(handle_.get());
    format == ArchiveFormat::tar ? archive_read_support_format_tar(handle_.get())
                                 : archive_read_support_format_raw(handle_.get());
  }
  constexpr std::size_t kBlock = 1 << 18;
  if (archive_read_open_filename(handle_.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    throw DataError(fmt::format("{}: cannot be opened: {}", path.string(), error_text()));
  }
}

std::optional<ArchiveEntry> ArchiveFile::next() {
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(handle_.get(), &entry);
  if (status == ARCHIVE_EOF) return std::nullopt;
  if (status != ARCHIVE_OK) {
    throw DataError(fmt::format("{}: cannot be read after offset {}: {}", path_.string(),
                                archive_read_header_position(handle_.get()), error_text()));
  }
  const char* name = archive_entry_pathname(entry);
  entry_ = name == nullptr ? "" : name;
  return ArchiveEntry{
      entry_, static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0)),
      static_cast<std::int64_t>(archive_entry_mtime(entry))};
}

std::vector<std::byte> ArchiveFile::read(std::uint64_t max_bytes) {
  std::vector<std::byte> out;
  for (;;) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(handle_.get(), &block, &size, &offset);
    if (status == ARCHIVE_EOF) return out;
    if (status != ARCHIVE_OK) {
      throw DataError(
          fmt::format("{}: damaged after {} decoded bytes: {}", where(), out.size(), error_text()));
    }
    if (out.size() + size > max_bytes) {
      throw DataError(
          fmt::format("{}: holds more than the {} bytes that belong there", where(), max_bytes));
    }
    const auto* bytes = static_cast<const std::byte*>(block);
    out.insert(out.end(), bytes, bytes + size);
  }
}

std::string ArchiveFile::error_text() const {
  const char* text = archive_error_string(handle_.get());
  return text == nullptr ? "unknown error" : text;
}

std::string ArchiveFile::where() const {
  return format_ == ArchiveFormat::raw ? path_.string()
                                       : fmt::format("{} ({})", path_.string(), entry_);
}

}  // namespace bitsweep::data
