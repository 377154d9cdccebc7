#include "data/pixel_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/parallel.h"

namespace bitsweep::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

// Footer: the index's length as 16 hexadecimal digits, and its SHA-256 as 64.
constexpr std::size_t kLengthDigits = 16;
constexpr std::size_t kFooter = kLengthDigits + 64;

[[noreturn]] void throw_errno(const fs::path& path, const char* what) {
  throw EnvironmentError(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The index of a mapped file. Throws DataError where the file is no such file or cut short.
json index_of(std::string_view file) {
  if (file.size() < kFooter) throw DataError("it is cut short");
  const std::string_view footer = file.substr(file.size() - kFooter);
  const std::string digits(footer.substr(0, kLengthDigits));
  char* end = nullptr;
  const std::uint64_t length = std::strtoull(digits.c_str(), &end, 16);
  if (*end != 0 || length > file.size() - kFooter) throw DataError("it is cut short or changed");
  const std::string_view text = file.substr(file.size() - kFooter - length, length);
  if (sha256_hex(text) != footer.substr(kLengthDigits)) throw DataError("its index has changed");
  return json::parse(text);
}

void check_images(const std::uint8_t* pixels, std::int64_t bytes,
                  const std::vector<std::string>& sha256) {
  std::atomic<std::int64_t> next = 0;
  const auto count = static_cast<std::int64_t>(sha256.size());
  on_all_processors([&] {
    for (std::int64_t i = next++; i < count; i = next++) {
      const std::span image(pixels + i * bytes, static_cast<std::size_t>(bytes));
      if (sha256_hex(std::as_bytes(image)) == sha256[static_cast<std::size_t>(i)]) continue;
      next = count;
      throw DataError(fmt::format("image {} has changed", i));
    }
  });
}

}  // namespace

fs::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const fs::path cache = variable("BITSWEEP_CACHE"); !cache.empty()) return cache;
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "bitsweep";
  if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "bitsweep";
  throw EnvironmentError("there is no cache folder: set BITSWEEP_CACHE");
}

std::shared_ptr<const PixelFile> PixelFile::open(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw_errno(path, "cannot be opened");
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped =
      known && size > 0 ? ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0) : nullptr;
  ::close(descriptor);
  if (mapped == MAP_FAILED) throw_errno(path, "cannot be mapped");
  // The constructor is private: no make_shared.
  std::shared_ptr<PixelFile> out(new PixelFile);
  out->pixels_ = static_cast<const std::uint8_t*>(mapped);
  out->mapped_bytes_ = mapped == nullptr ? 0 : size;
  const json index = index_of({reinterpret_cast<const char*>(out->pixels_), out->mapped_bytes_});
  Description& description = out->description_;
  const auto& shape = index.at("shape");
  description.shape = {shape[0].get<std::int64_t>(), shape[1].get<std::int64_t>(),
                       shape[2].get<std::int64_t>()};
  index.at("labels").get_to(description.labels);
  index.at("records_sha256").get_to(description.records_sha256);
  out->image_bytes_ = description.shape.elements();
  const auto sha256 = index.at("image_sha256").get<std::vector<std::string>>();
  const std::size_t pixels = sha256.size() * static_cast<std::size_t>(out->image_bytes_);
  if (sha256.size() != description.labels.size() || pixels > size) {
    throw DataError("it is cut short");
  }
  check_images(out->pixels_, out->image_bytes_, sha256);
  return out;
}

PixelFile::~PixelFile() {
  if (mapped_bytes_ > 0) ::munmap(const_cast<std::uint8_t*>(pixels_), mapped_bytes_);
}

PixelFileWriter::PixelFileWriter(fs::path path, const ImageShape& shape, std::int64_t images)
    : path_(std::move(path)),
      partial_(path_.string() + ".partial"),
      shape_(shape),
      sha256_(static_cast<std::size_t>(images)) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  descriptor_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw_errno(partial_, "cannot be written; set BITSWEEP_CACHE");
}

PixelFileWriter::~PixelFileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  std::error_code ignored;
  fs::remove(partial_, ignored);
}

void PixelFileWriter::write(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t wrote =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw_errno(partial_, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
}

void PixelFileWriter::put(std::int64_t i, std::span<const std::uint8_t> image) {
  BITSWEEP_CHECK(static_cast<std::int64_t>(image.size()) == shape_.elements(), "{} bytes",
                 image.size());
  sha256_.at(static_cast<std::size_t>(i)) = sha256_hex(std::as_bytes(image));
  write(std::as_bytes(image), static_cast<std::uint64_t>(i) * image.size());
}

void PixelFileWriter::finish(const std::vector<std::int32_t>& labels,
                             const std::string& records_sha256) {
  BITSWEEP_CHECK(labels.size() == sha256_.size(), "{} labels of {} images", labels.size(),
                 sha256_.size());
  const std::string index = json{
      {"shape", {shape_.channels, shape_.height, shape_.width}},
      {"labels", labels},
      {"image_sha256", sha256_},
      {"records_sha256",
       records_sha256}}.dump();
  const std::uint64_t pixels = sha256_.size() * static_cast<std::uint64_t>(shape_.elements());
  write(bytes_of(index), pixels);
  write(bytes_of(fmt::format("{:016x}{}", index.size(), sha256_hex(index))), pixels + index.size());
  if (::fsync(descriptor_) != 0) throw_errno(partial_, "cannot be written");
  ::close(std::exchange(descriptor_, -1));
  std::error_code error;
  fs::rename(partial_, path_, error);
  if (error) throw EnvironmentError(fmt::format("{}: {}", path_.string(), error.message()));
}

}  // namespace bitsweep::data
