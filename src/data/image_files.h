// Image files in a folder or a tar, and which class each shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bitsweep::data {

struct ImageFile {
  std::string name;         // path within the folder or tar
  std::int32_t label = -1;  // class, from 0
  std::uint64_t size = 0;   // bytes, for telling a changed source from the one that was decoded
  std::int64_t time = 0;    // of the last change, in the file system's units
};

// Every .jpg and .jpeg (in any case) of `source`, a folder with its subfolders or a tar (perhaps
// compressed), by file name: the same order however they are stored. A class is, in this order of
// precedence, the folder's name where that is one of dataset.class_ids (n01440764/…); what the file
// name begins with (n01440764_10026.JPEG); the label in INDEX_LABEL_….jpg; the line of
// ilsvrc2012_val_labels.txt (one class from 0 a line) that ILSVRC2012_val_000LINE.JPEG names. That
// file is looked for beside the images and in the data search path.
// Throws DataError naming the file where the source cannot be read, holds none, or an image has no
// class.
std::vector<ImageFile> list_images(const Dataset& dataset, const std::filesystem::path& source);

// The content of chosen files, one after the other in the order in which they can be read fastest.
class ImageReader {
 public:
  // `files` of list_images(); `positions`: which of them.
  ImageReader(std::filesystem::path source, const std::vector<ImageFile>& files,
              const std::vector<std::int64_t>& positions);
  ~ImageReader();

  struct Item {
    std::size_t index = 0;  // into `positions`
    std::vector<std::byte> content;
  };
  // Nothing after the last. Throws DataError naming the file where it cannot be read, is larger
  // than 64 MiB, or is not there any more.
  std::optional<Item> next();

 private:
  struct Tar;
  std::optional<Item> next_of_tar();

  std::filesystem::path source_;
  std::vector<std::string> names_;
  std::size_t done_ = 0;
  std::unique_ptr<Tar> tar_;  // nullptr: a folder
};

}  // namespace bitsweep::data
