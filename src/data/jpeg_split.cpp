#include "data/jpeg_split.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/image_files.h"
#include "data/pixel_file.h"
#include "data/resample.h"
#include "data/source.h"

namespace bitsweep::data {
namespace fs = std::filesystem;
namespace {

// Changed whenever decoding or scaling gives other bytes, or the cache file another layout.
constexpr int kVersion = 1;
constexpr std::size_t kMostNamed = 5;

// Which files become which images.
struct Job {
  fs::path source;
  std::vector<ImageFile> files;
  std::vector<std::int64_t> chosen;  // positions in `files`, ascending
  ImageShape shape;

  const ImageFile& file(std::size_t i) const { return files[static_cast<std::size_t>(chosen[i])]; }
  std::vector<std::int32_t> labels() const {
    std::vector<std::int32_t> out;
    for (std::size_t i = 0; i < chosen.size(); ++i) out.push_back(file(i).label);
    return out;
  }
};

// What the cache file is named after: what lies at the source (path, sizes and times stand for the
// content, which would take minutes to hash) and what is made of it.
std::string cache_name(const Job& job) {
  Sha256 hash;
  hash.update(
      fmt::format("{} {} {}\n", kVersion, fs::absolute(job.source).string(), job.shape.height));
  std::error_code ignored;
  if (!fs::is_directory(job.source, ignored)) {
    hash.update(fmt::format("{} {}\n", fs::file_size(job.source, ignored),
                            fs::last_write_time(job.source, ignored).time_since_epoch().count()));
  }
  for (std::size_t i = 0; i < job.chosen.size(); ++i) {
    const ImageFile& file = job.file(i);
    hash.update(fmt::format("{} {} {} {}\n", file.label, file.size, file.time, file.name));
  }
  return hash.hex() + ".pixels";
}

// Names of images of one kind, of which a message gives the first few.
class Names {
 public:
  void add(std::string name) { names_.push_back(std::move(name)); }
  std::size_t count() const { return names_.size(); }
  std::string text() {
    std::ranges::sort(names_);
    const std::size_t shown = std::min(names_.size(), kMostNamed);
    std::string out = join(std::span(names_).first(shown), ", ");
    if (shown < names_.size()) out += fmt::format(" and {} more", names_.size() - shown);
    return out;
  }

 private:
  std::vector<std::string> names_;
};

class Decoding {
 public:
  Decoding(const Job& job, PixelFileWriter& writer)
      : job_(job),
        writer_(writer),
        reader_(job.source, job.files, job.chosen),
        record_sha256_(job.chosen.size()) {}

  // Decodes everything; gives the digest of the images before scaling.
  std::string run() {
    on_all_processors([&] { work(); });
    if (inks_.count() > 0) {
      spdlog::warn("{}: {} images of four inks (CMYK) converted to RGB: {}", job_.source.string(),
                   inks_.count(), inks_.text());
    }
    if (broken_.count() > 0) {
      throw DataError(fmt::format("{}: {} of {} images cannot be used: {}", job_.source.string(),
                                  broken_.count(), job_.chosen.size(), broken_.text()));
    }
    Sha256 all;
    for (const std::string& record : record_sha256_) all.update(record);
    return all.hex();
  }

 private:
  void work() {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(job_.shape.elements()));
    while (const auto item = next()) {
      const ImageFile& file = job_.file(item->index);
      try {
        const DecodedJpeg decoded = decode_jpeg(item->content);
        scale_and_crop(decoded.image, job_.shape.height, pixels.data());
        record_sha256_[item->index] = digest(file.label, decoded.image);
        if (decoded.was_cmyk) add(inks_, file.name);
      } catch (const DataError& error) {
        add(broken_, fmt::format("{}: {}", file.name, error.what()));
        continue;
      }
      writer_.put(static_cast<std::int64_t>(item->index), pixels);
    }
  }

  static std::string digest(std::int32_t label, const RgbImage& image) {
    Sha256 hash;
    const std::byte bytes[] = {static_cast<std::byte>(label & 0xFF),
                               static_cast<std::byte>(label >> 8 & 0xFF)};
    hash.update(bytes);
    hash.update(std::as_bytes(std::span(image.pixels)));
    return hash.hex();
  }

  std::optional<ImageReader::Item> next() {
    const std::lock_guard lock(mutex_);
    return reader_.next();
  }

  void add(Names& names, std::string name) {
    const std::lock_guard lock(mutex_);
    names.add(std::move(name));
  }

  const Job& job_;
  PixelFileWriter& writer_;
  std::mutex mutex_;  // of what follows
  ImageReader reader_;
  Names inks_, broken_;
  std::vector<std::string> record_sha256_;  // each element is one thread's
};

void decode(const Job& job, const fs::path& cache) {
  const auto start = std::chrono::steady_clock::now();
  spdlog::info("{}: decoding {} images into {}", job.source.string(),
               format_count(static_cast<std::int64_t>(job.chosen.size())), cache.string());
  PixelFileWriter writer(cache, job.shape, static_cast<std::int64_t>(job.chosen.size()));
  const std::string records = Decoding(job, writer).run();
  writer.finish(job.labels(), records);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  spdlog::info("{}: decoded in {:.1f} s", job.source.string(), took.count());
}

// Several workers may want the same images: one decodes, the others wait for its lock.
FileLock wait_for_lock(const fs::path& path) {
  constexpr std::chrono::milliseconds kBetween(100);
  for (;;) {
    if (auto lock = FileLock::try_acquire(path)) return std::move(*lock);
    std::this_thread::sleep_for(kBetween);
  }
}

std::shared_ptr<const PixelFile> open_or_decode(const Job& job) {
  const fs::path cache = cache_folder() / "images" / cache_name(job);
  const FileLock lock = wait_for_lock(cache.string() + ".lock");
  if (fs::exists(cache)) {
    try {
      return PixelFile::open(cache);
    } catch (const DataError& error) {
      spdlog::warn("{}: {}; the images are decoded again", cache.string(), error.what());
    }
  }
  decode(job, cache);
  return PixelFile::open(cache);
}

std::vector<std::int64_t> positions_of(const Dataset& dataset, const Selection& selection,
                                       std::span<const std::int32_t> labels) {
  const auto all = static_cast<std::int64_t>(labels.size());
  const std::int64_t images = selection.images.value_or(all);
  return choose(labels, dataset.num_classes(), images,
                images == all ? Subset::first : selection.subset);
}

}  // namespace

Images load_jpeg_images(const Dataset& dataset, const Selection& selection,
                        const std::string& root) {
  const SplitFiles& split = dataset.split(selection.split);
  const RecordFile& stored = split.files.front();
  Job job;
  job.source = require_file(dataset, stored, root).path;
  job.shape = shape_of(dataset, selection.image_size);
  job.files = list_images(dataset, job.source);
  if (static_cast<std::int64_t>(job.files.size()) != stored.images) {
    throw DataError(fmt::format("{}: holds {} images, the {} images of '{}' are {}",
                                job.source.string(), job.files.size(), to_string(selection.split),
                                dataset.name, stored.images));
  }
  std::vector<std::int32_t> labels;
  for (const ImageFile& file : job.files) labels.push_back(file.label);
  const std::vector<std::int64_t> wanted = positions_of(dataset, selection, labels);
  const bool whole = split.is_digest_of_content();
  job.chosen = wanted;
  if (whole) {
    job.chosen.resize(labels.size());
    std::iota(job.chosen.begin(), job.chosen.end(), 0);
  }

  Images out;
  out.shape = job.shape;
  out.file = open_or_decode(job);
  const std::string& records = out.file->description().records_sha256;
  if (whole && records != split.digest) {
    throw DataError(fmt::format(
        "{}: SHA-256 of the decoded images is {}, but the {} images of "
        "'{}' have {}",
        job.source.string(), records, to_string(selection.split), dataset.name, split.digest));
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::int64_t row = whole ? wanted[i] : static_cast<std::int64_t>(i);
    out.rows.push_back(row);
    out.labels.push_back(out.file->description().labels[static_cast<std::size_t>(row)]);
  }
  return out;
}

}  // namespace bitsweep::data
