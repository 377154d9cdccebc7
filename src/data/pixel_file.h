// Decoded images kept from one run to the next: bytes mapped from a file of the cache folder, so
// that a data set larger than memory can be read, with a checksum for each image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bitsweep::data {

// $BITSWEEP_CACHE, else $XDG_CACHE_HOME/bitsweep, else ~/.cache/bitsweep. Throws EnvironmentError
// where none of them is set.
std::filesystem::path cache_folder();

// Layout: the images one after the other, each [channels, height, width]; JSON
// {"shape", "labels", "image_sha256", "records_sha256"}; its length and SHA-256.
class PixelFile {
 public:
  struct Description {
    ImageShape shape;
    std::vector<std::int32_t> labels;
    std::string records_sha256;  // what the images were before they were scaled: data/jpeg_split.h
  };

  // Maps the file and compares every checksum, on all processors. Throws DataError saying what is
  // wrong where it is cut short or changed; EnvironmentError where it cannot be opened.
  static std::shared_ptr<const PixelFile> open(const std::filesystem::path& path);

  ~PixelFile();
  PixelFile(const PixelFile&) = delete;
  PixelFile& operator=(const PixelFile&) = delete;

  const Description& description() const { return description_; }
  const std::uint8_t* image(std::int64_t i) const { return pixels_ + i * image_bytes_; }

 private:
  PixelFile() = default;

  const std::uint8_t* pixels_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::int64_t image_bytes_ = 0;
  Description description_;
};

// Writes one under a temporary name: the file appears whole, in finish(), or not at all. One writer
// a path at a time (a lock is the caller's business). Throws EnvironmentError where the folder
// cannot be written or the disk is full.
class PixelFileWriter {
 public:
  PixelFileWriter(std::filesystem::path path, const ImageShape& shape, std::int64_t images);
  ~PixelFileWriter();
  PixelFileWriter(const PixelFileWriter&) = delete;
  PixelFileWriter& operator=(const PixelFileWriter&) = delete;

  // Image i, [channels, height, width]: every one once, in any order, from any thread.
  void put(std::int64_t i, std::span<const std::uint8_t> image);
  void finish(const std::vector<std::int32_t>& labels, const std::string& records_sha256);

 private:
  void write(std::span<const std::byte> bytes, std::uint64_t offset);

  std::filesystem::path path_, partial_;
  ImageShape shape_;
  std::vector<std::string> sha256_;  // of each image
  int descriptor_ = -1;
};

}  // namespace bitsweep::data
