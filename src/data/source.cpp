#include "data/source.h"

#include <cstdlib>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "data/archive_file.h"

namespace bitsweep::data {
namespace fs = std::filesystem;
namespace {

// Folders named experiments/data at or above `start`: a checkout that a build folder lies in.
void append_carried(fs::path start, std::vector<fs::path>& out) {
  for (;; start = start.parent_path()) {
    const fs::path candidate = start / "experiments" / "data";
    std::error_code ignored;
    if (fs::is_directory(candidate, ignored)) out.push_back(candidate);
    if (start == start.parent_path()) return;
  }
}

std::vector<std::byte> decode(const Source& source, std::uint64_t max_bytes) {
  if (source.member.empty()) {
    ArchiveFile file(source.path, ArchiveFormat::raw);
    return file.next() ? file.read(max_bytes) : std::vector<std::byte>();
  }
  ArchiveFile tar(source.path, ArchiveFormat::tar);
  while (const auto entry = tar.next()) {
    if (fs::path(entry->name).filename() == source.member) return tar.read(max_bytes);
  }
  throw DataError(fmt::format("{}: cannot be read: there is no such file in it", describe(source)));
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
      for (const std::string& unpacked : file.unpacked) {
        if (fs::is_directory(path / unpacked, ignored)) return Source{path / unpacked, ""};
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
  std::string others = ".xz";
  for (const std::string& unpacked : file.unpacked) others += ", or folder " + unpacked;
  if (!dataset.archive.empty()) others += ", or " + dataset.archive;
  throw DataError(fmt::format("data set '{}': there is no {} (or {}) in {}; {}", dataset.name,
                              file.name, others, join(places, ", "), dataset.remedy));
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
