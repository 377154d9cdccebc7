#include "data/source.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace bitsweep::data {
namespace fs = std::filesystem;
namespace {

struct ArchiveCloser {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
using Archive = std::unique_ptr<archive, ArchiveCloser>;

// Folders named experiments/data at or above `start`: a checkout that a build folder lies in.
void append_carried(fs::path start, std::vector<fs::path>& out) {
  for (;; start = start.parent_path()) {
    const fs::path candidate = start / "experiments" / "data";
    std::error_code ignored;
    if (fs::is_directory(candidate, ignored)) out.push_back(candidate);
    if (start == start.parent_path()) return;
  }
}

std::string error_text(archive* handle) {
  const char* text = archive_error_string(handle);
  return text == nullptr ? "unknown error" : text;
}

Archive open_archive(const Source& source) {
  Archive handle(archive_read_new());
  archive_read_support_filter_xz(handle.get());
  archive_read_support_filter_gzip(handle.get());
  if (source.member.empty()) {
    archive_read_support_format_raw(handle.get());
  } else {
    archive_read_support_format_tar(handle.get());
  }
  constexpr std::size_t kBlock = 1 << 18;
  if (archive_read_open_filename(handle.get(), source.path.c_str(), kBlock) != ARCHIVE_OK) {
    throw DataError(
        fmt::format("{}: cannot be opened: {}", source.path.string(), error_text(handle.get())));
  }
  return handle;
}

// Moves to the entry that `source` names (a raw file has one).
void seek_entry(archive* handle, const Source& source) {
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = archive_read_next_header(handle, &entry)) == ARCHIVE_OK) {
    if (source.member.empty()) return;
    const char* name = archive_entry_pathname(entry);
    if (name != nullptr && fs::path(name).filename() == source.member) return;
  }
  const std::string reason =
      status == ARCHIVE_EOF ? "there is no such file in it" : error_text(handle);
  throw DataError(fmt::format("{}: cannot be read: {}", describe(source), reason));
}

std::vector<std::byte> decode(const Source& source, std::uint64_t max_bytes) {
  const Archive handle = open_archive(source);
  seek_entry(handle.get(), source);
  std::vector<std::byte> out;
  for (;;) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(handle.get(), &block, &size, &offset);
    if (status == ARCHIVE_EOF) return out;
    if (status != ARCHIVE_OK) {
      throw DataError(fmt::format("{}: damaged after {} decoded bytes: {}", describe(source),
                                  out.size(), error_text(handle.get())));
    }
    if (out.size() + size > max_bytes) {
      throw DataError(fmt::format("{}: holds more than the {} bytes that belong there",
                                  describe(source), max_bytes));
    }
    const auto* bytes = static_cast<const std::byte*>(block);
    out.insert(out.end(), bytes, bytes + size);
  }
}

}  // namespace

std::vector<fs::path> search_path(const std::string& root) {
  if (!root.empty()) return {root};
  std::vector<fs::path> out;
  if (const char* variable = std::getenv("BITSWEEP_DATA"); variable != nullptr && *variable != 0) {
    out.emplace_back(variable);
  }
  out.emplace_back("data");
  out.emplace_back("../shared/data");
  std::error_code ignored;
  append_carried(fs::current_path(ignored), out);
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  if (!program.empty()) {
    append_carried(program, out);
    out.push_back(program.parent_path() / "share" / "bitsweep" / "data");
  }
  return out;
}

std::optional<Source> find_file(const Dataset& dataset, const RecordFile& file,
                                const std::string& root) {
  std::error_code ignored;
  for (const fs::path& base : search_path(root)) {
    for (const std::string& folder : dataset.folders) {
      const fs::path path = folder.empty() ? base : base / folder;
      for (const char* suffix : {"", ".xz"}) {
        const fs::path candidate = path / (file.name + suffix);
        if (fs::is_regular_file(candidate, ignored)) return Source{candidate, ""};
      }
      if (dataset.archive.empty()) continue;
      const fs::path candidate = path / dataset.archive;
      if (fs::is_regular_file(candidate, ignored)) return Source{candidate, file.name};
    }
  }
  return std::nullopt;
}

Source require_file(const Dataset& dataset, const RecordFile& file, const std::string& root) {
  if (auto source = find_file(dataset, file, root)) return *source;
  std::vector<std::string> places;
  for (const fs::path& base : search_path(root)) places.push_back(base.string());
  throw DataError(fmt::format("data set '{}': there is no {} (or .xz{}) in {}; {}", dataset.name,
                              file.name, dataset.archive.empty() ? "" : ", or " + dataset.archive,
                              join(places, ", "), dataset.remedy));
}

std::vector<std::byte> read_source(const Source& source, std::uint64_t max_bytes) {
  if (source.member.empty() && source.path.extension() != ".xz") {
    return read_binary_file(source.path, max_bytes);
  }
  return decode(source, max_bytes);
}

std::string describe(const Source& source) {
  return source.member.empty() ? source.path.string()
                               : fmt::format("{} ({})", source.path.string(), source.member);
}

}  // namespace bitsweep::data
