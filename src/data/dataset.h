// Labelled images: what a data set is, and reading it. A data set's identity is its name and the
// digest of its decoded records, so that every way of storing it is the same one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/registry.h"

namespace bitsweep::data {

struct ImageShape {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t elements() const { return channels * height * width; }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

enum class Split { train, test };
std::string to_string(Split split);

// What the files of a data set are.
enum class Storage {
  records,  // CIFAR's binary records (data/cifar_records.h)
  jpeg,     // one tar or folder of JPEG files a split, scaled when decoded (data/jpeg_split.h)
};

// One file, as it is after decompression.
struct RecordFile {
  std::string name;  // "test_batch.bin"
  std::int64_t images = 0;
  // records: SHA-256 of the content, or "sha1:…" where nothing else was published.
  std::string checksum{};
  std::vector<std::string> unpacked{};  // jpeg: folders that may stand in its place
};

struct SplitFiles {
  std::vector<RecordFile> files;  // in order: image 0 is the first of the first file
  // What identifies the split: SHA-256 of the files' content one after the other (records; of one
  // file, its checksum) or of the decoded images (jpeg, data/jpeg_split.h); "md5:…" of the official
  // archive where the images are not public, so that nothing else of them is known beforehand.
  std::string digest;
  std::int64_t images() const;
  bool is_digest_of_content() const { return !digest.starts_with("md5:"); }
};

// A registered data set (`data.name`).
struct Dataset {
  std::string name;
  std::string summary;
  Storage storage = Storage::records;
  ImageShape shape;  // jpeg: where data.image_size is not set
  std::vector<std::string> class_names;
  std::vector<std::string> class_ids;  // jpeg: WordNet ids, which name folders and files
  std::int64_t label_bytes = 1;        // records: at their beginning; the last one is the class
  std::string normalize;               // what `data.normalize = "auto"` means here
  SplitFiles train;
  SplitFiles test;
  std::vector<std::string> folders;  // where it lies within a root; "" = the root itself
  std::string archive;               // official archive that holds the files, "" none
  std::string archive_url;           // where `bitsweep data get` fetches it
  std::string remedy;                // how to get it, for the error where it is missing

  const SplitFiles& split(Split which) const { return which == Split::train ? train : test; }
  std::int64_t record_bytes() const { return label_bytes + shape.elements(); }
  std::int64_t num_classes() const { return static_cast<std::int64_t>(class_names.size()); }
};

const Registry<Dataset>& datasets();

// The shape of what a network reads of `dataset` under `data.image_size`. Where that is unset,
// images that are scaled get the network's own edge (nullopt: dataset.shape's). Throws ConfigError
// where the data set's images are of another size and are not scaled.
ImageShape shape_of(const Dataset& dataset, std::optional<std::int64_t> image_size,
                    std::optional<std::int64_t> network_edge = std::nullopt);

class PixelFile;

struct Images {
  ImageShape shape;
  // [count, channels, height, width], 0…255; empty where image i is rows[i] of `file`, since there
  // may be too many to hold.
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;  // [count], 0…classes − 1
  std::shared_ptr<const PixelFile> file{};
  std::vector<std::int64_t> rows{};

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  const std::uint8_t* image(std::int64_t i) const;  // [channels, height, width]
};

enum class Subset {
  first,       // in file order
  stratified,  // the first of each class in equal shares (the lowest classes get what is left over)
};

struct Selection {
  Split split = Split::test;
  std::optional<std::int64_t> images{};  // nullopt: all
  Subset subset = Subset::first;
  std::optional<std::int64_t> image_size{};  // `data.image_size`
};

// The chosen images, in file order. Decodes only what it needs and verifies its checksum. `root`:
// the folder to look in, "" = the search path (data/source.h). Throws ConfigError where fewer than
// 1 or more images are asked for than there are; DataError where a file is missing (saying where it
// looked), damaged (file and offset) or not the official one.
Images load_images(const Dataset& dataset, const Selection& selection, const std::string& root);

// Positions of `images` labels, ascending, as Subset says. Throws ConfigError where a class has too
// few.
std::vector<std::int64_t> choose(std::span<const std::int32_t> labels, std::int64_t num_classes,
                                 std::int64_t images, Subset subset);

}  // namespace bitsweep::data
