#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace bitsweep {
namespace {

template <typename Container>
Container read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw DataError(fmt::format("{}: is a folder, expected a file", path.string()));
  }
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    throw DataError(fmt::format("{}: cannot be read: {}", path.string(), std::strerror(errno)));
  }
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > max_bytes) {
    std::fclose(file);
    throw DataError(fmt::format("{}: is {} bytes, at most {} are read", path.string(), size, max_bytes));
  }
  Container content;
  if (!error) content.resize(size);
  std::size_t at = 0;
  while (true) {  // also right for files whose size is not known beforehand (pipes, /proc)
    if (at == content.size()) content.resize(at + (1 << 16));
    const auto got = std::fread(content.data() + at, 1, content.size() - at, file);
    if (got == 0) break;
    at += got;
    if (at > max_bytes) break;
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) throw DataError(fmt::format("{}: reading failed", path.string()));
  if (at > max_bytes) {
    throw DataError(fmt::format("{}: is larger than the {} bytes that are read", path.string(), max_bytes));
  }
  content.resize(at);
  return content;
}

[[noreturn]] void throw_write_error(const std::filesystem::path& path, const char* step) {
  throw EnvironmentError(
      fmt::format("{}: cannot be written ({}): {}", path.string(), step, std::strerror(errno)));
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return read_file<std::string>(path, max_bytes);
}

std::vector<std::byte> read_binary_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return read_file<std::vector<std::byte>>(path, max_bytes);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  write_file_atomic(path, std::as_bytes(std::span(content)));
}

void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> content) {
  static std::atomic<unsigned> counter{0};
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto temporary = folder / fmt::format(".{}.{}.{}.tmp", path.filename().string(), ::getpid(),
                                              counter.fetch_add(1));
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) throw_write_error(path, "open");
  const auto give_up = [&](const char* step) {
    const int saved = errno;
    ::close(descriptor);
    ::unlink(temporary.c_str());
    errno = saved;
    throw_write_error(path, step);
  };
  std::size_t at = 0;
  while (at < content.size()) {
    const auto wrote = ::write(descriptor, content.data() + at, content.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) give_up("write");
    at += static_cast<std::size_t>(wrote);
  }
  if (::fsync(descriptor) != 0) give_up("fsync");
  ::close(descriptor);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int saved = errno;
    ::unlink(temporary.c_str());
    errno = saved;
    throw_write_error(path, "rename");
  }
  sync_folder(folder);
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw_write_error(path, "open");
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const bool busy = errno == EWOULDBLOCK;
    const int saved = errno;
    ::close(descriptor);
    errno = saved;
    if (busy) return std::nullopt;
    throw_write_error(path, "flock");
  }
  return FileLock(descriptor);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace bitsweep
