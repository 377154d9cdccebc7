#include "data/image_files.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "data/archive_file.h"
#include "data/source.h"

namespace bitsweep::data {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxFile = 64ull << 20;
constexpr const char* kValidationLabels = "ilsvrc2012_val_labels.txt";

bool has_extension(std::string_view name, std::initializer_list<std::string_view> extensions) {
  std::string extension = fs::path(name).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(extensions, extension) != extensions.end();
}

bool is_image(std::string_view name) { return has_extension(name, {".jpg", ".jpeg"}); }

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole && !text.empty() ? std::optional(value) : std::nullopt;
}

// Classes of ILSVRC2012_val_00000001.JPEG and on.
class ValidationLabels {
 public:
  ValidationLabels(const Dataset& dataset, const fs::path& source)
      : classes_(dataset.num_classes()) {
    std::vector<fs::path> folders = {source, source.parent_path()};
    for (const fs::path& base : search_path("")) {
      for (const std::string& folder : dataset.folders) folders.push_back(base / folder);
    }
    std::error_code ignored;
    for (const fs::path& folder : folders) {
      for (const char* suffix : {"", ".xz"}) {
        const fs::path candidate = folder / (kValidationLabels + std::string(suffix));
        if (!fs::is_regular_file(candidate, ignored)) continue;
        read(candidate);
        return;
      }
    }
  }

  // Of the image with this number, from 1. Throws DataError where there is no such label.
  std::int32_t at(std::int64_t image) const {
    if (labels_.empty()) {
      throw DataError(
          fmt::format("its class is a line of {}, which lies neither beside the images "
                      "nor in the data search path",
                      kValidationLabels));
    }
    if (image < 1 || image > static_cast<std::int64_t>(labels_.size())) {
      throw DataError(fmt::format("its class is line {} of {}, which has {}", image, path_.string(),
                                  labels_.size()));
    }
    return labels_[static_cast<std::size_t>(image - 1)];
  }

 private:
  void read(const fs::path& path) {
    path_ = path;
    constexpr std::uint64_t kMaxBytes = 16ull << 20;
    const std::vector<std::byte> bytes = read_source({path, ""}, kMaxBytes);
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const std::string& line : split(text, '\n')) {
      if (trim(line).empty()) continue;
      const auto label = number(trim(line));
      if (!label || *label >= classes_) {
        throw DataError(fmt::format("{}:{}: '{}' is no class; expected 0 to {}", path.string(),
                                    labels_.size() + 1, trim(line), classes_ - 1));
      }
      labels_.push_back(static_cast<std::int32_t>(*label));
    }
  }

  std::int64_t classes_;
  fs::path path_;
  std::vector<std::int32_t> labels_;
};

class Labeller {
 public:
  Labeller(const Dataset& dataset, const fs::path& source) : dataset_(dataset), source_(source) {
    for (std::size_t i = 0; i < dataset.class_ids.size(); ++i) {
      by_id_.emplace(dataset.class_ids[i], static_cast<std::int32_t>(i));
    }
  }

  std::int32_t operator()(const std::string& name) {
    const fs::path path(name);
    const std::string file = path.stem().string();
    const auto underscore = file.find('_');
    if (const auto label = find(path.parent_path().filename().string())) return *label;
    if (const auto label = find(file.substr(0, underscore))) return *label;
    constexpr std::string_view kValidation = "ILSVRC2012_val_";
    if (file.starts_with(kValidation)) {
      const auto image = number(std::string_view(file).substr(kValidation.size()));
      if (image) return validation().at(*image);
    }
    if (underscore != std::string::npos && number(file.substr(0, underscore))) {
      const auto end = file.find('_', underscore + 1);
      const auto label = number(file.substr(underscore + 1, end - underscore - 1));
      if (label && *label < dataset_.num_classes()) return static_cast<std::int32_t>(*label);
    }
    throw DataError(
        "nothing says its class; expected a folder or a file name that begins with a class "
        "(n01440764), ILSVRC2012_val_NUMBER.JPEG, or INDEX_LABEL_….jpg");
  }

 private:
  std::optional<std::int32_t> find(const std::string& id) const {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? std::nullopt : std::optional(it->second);
  }
  const ValidationLabels& validation() {
    if (!validation_) validation_.emplace(dataset_, source_);
    return *validation_;
  }

  const Dataset& dataset_;
  fs::path source_;
  std::unordered_map<std::string, std::int32_t> by_id_;
  std::optional<ValidationLabels> validation_;
};

std::vector<ImageFile> files_of_folder(const fs::path& folder) {
  std::vector<ImageFile> out;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (!is_image(it->path().native()) || !it->is_regular_file(error)) continue;
    // Relative by text: a canonical path costs a system call for each part of each file.
    out.push_back({it->path().lexically_relative(folder).string(), -1, it->file_size(error),
                   it->last_write_time(error).time_since_epoch().count()});
  }
  if (error) {
    throw DataError(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  }
  return out;
}

std::vector<ImageFile> files_of_tar(const fs::path& path) {
  std::vector<ImageFile> out;
  bool holds_tars = false;
  ArchiveFile tar(path, ArchiveFormat::tar);
  while (const auto entry = tar.next()) {
    holds_tars = holds_tars || has_extension(entry->name, {".tar"});
    if (is_image(entry->name)) out.push_back({entry->name, -1, entry->size, entry->time});
  }
  if (out.empty() && holds_tars) {
    throw DataError(fmt::format(
        "{}: holds tars of images; unpack each into a folder named after it", path.string()));
  }
  return out;
}

}  // namespace

std::vector<ImageFile> list_images(const Dataset& dataset, const fs::path& source) {
  std::vector<ImageFile> files =
      fs::is_directory(source) ? files_of_folder(source) : files_of_tar(source);
  if (files.empty()) {
    throw DataError(fmt::format("{}: holds no .jpg or .jpeg file", source.string()));
  }
  Labeller label(dataset, source);
  for (ImageFile& file : files) {
    try {
      file.label = label(file.name);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{} ({}): {}", source.string(), file.name, error.what()));
    }
  }
  const auto base = [](const std::string& name) {
    return std::string_view(name).substr(name.rfind('/') + 1);  // npos + 1 is 0
  };
  std::ranges::sort(files, [&](const ImageFile& a, const ImageFile& b) {
    return std::pair(base(a.name), std::string_view(a.name)) <
           std::pair(base(b.name), std::string_view(b.name));
  });
  return files;
}

struct ImageReader::Tar {
  ArchiveFile file;
  std::unordered_map<std::string, std::size_t> wanted;  // name → index
};

ImageReader::ImageReader(fs::path source, const std::vector<ImageFile>& files,
                         const std::vector<std::int64_t>& positions)
    : source_(std::move(source)) {
  for (const std::int64_t position : positions) {
    names_.push_back(files[static_cast<std::size_t>(position)].name);
  }
  if (fs::is_directory(source_)) return;
  tar_ = std::make_unique<Tar>(Tar{ArchiveFile(source_, ArchiveFormat::tar), {}});
  for (std::size_t i = 0; i < names_.size(); ++i) tar_->wanted.emplace(names_[i], i);
}

ImageReader::~ImageReader() = default;

std::optional<ImageReader::Item> ImageReader::next() {
  if (done_ == names_.size()) return std::nullopt;
  if (tar_) return next_of_tar();
  const std::size_t index = done_++;
  return Item{index, read_binary_file(source_ / names_[index], kMaxFile)};
}

std::optional<ImageReader::Item> ImageReader::next_of_tar() {
  while (const auto entry = tar_->file.next()) {
    const auto it = tar_->wanted.find(entry->name);
    if (it == tar_->wanted.end()) continue;
    const std::size_t index = it->second;
    tar_->wanted.erase(it);  // a name that comes twice is read once
    ++done_;
    return Item{index, tar_->file.read(kMaxFile)};
  }
  throw DataError(
      fmt::format("{}: {} is not there any more", source_.string(), tar_->wanted.begin()->first));
}

}  // namespace bitsweep::data
