// Files that are never half-written, and locks that end with their process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep {

// Whole file as text or bytes. Throws DataError naming the file where it cannot be read or is
// larger than `max_bytes` (checked before anything is allocated).
std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes = 64ull << 20);
std::vector<std::byte> read_binary_file(const std::filesystem::path& path,
                                        std::uint64_t max_bytes = 4ull << 30);

// Temporary file in the same folder, fsync, rename, fsync of the folder: after a crash the old
// content or the new, never a mixture. Creates missing folders. Throws EnvironmentError.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> content);

// An advisory exclusive lock (flock) on a file that is created if missing. Held until destroyed or
// the process ends, however it ends; not inherited by programs that the process starts.
class FileLock {
 public:
  // Nothing where another process holds it. Throws EnvironmentError where the file cannot be made.
  static std::optional<FileLock> try_acquire(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace bitsweep
