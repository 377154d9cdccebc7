#include "data/dataset.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>

#include "core/error.h"
#include "core/hash.h"
#include "data/cifar_records.h"
#include "data/source.h"
#include "temporary_folder.h"

using namespace bitsweep;
using namespace bitsweep::data;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

std::vector<std::byte> bytes_of(const Dataset& dataset, const RecordFile& file) {
  const auto size = static_cast<std::uint64_t>(file.images * dataset.record_bytes());
  return read_source(require_file(dataset, file, ""), size);
}

const Dataset& small() { return datasets().get("cifar10_small"); }

bool full_data_present() {
  const Dataset& full = datasets().get("cifar10");
  return find_file(full, full.test.files.front(), "").has_value();
}

Images load_small(Split split, std::int64_t images, Subset subset = Subset::first) {
  return load_images(small(), {split, images, subset}, "");
}

}  // namespace

TEST_CASE("every split of every data set has a digest that belongs to its files") {
  for (const Dataset& dataset : datasets().entries()) {
    if (dataset.storage == Storage::jpeg) continue;  // jpeg_split_test.cpp
    for (const Split which : {Split::train, Split::test}) {
      const SplitFiles& split = dataset.split(which);
      CAPTURE(dataset.name, to_string(which));
      if (!find_file(dataset, split.files.back(), ""))
        SKIP(dataset.name + " is not on this machine");
      if (split.digest.starts_with("sha1:")) {
        REQUIRE(split.files.size() == 1);
        CHECK("sha1:" + sha1_hex(bytes_of(dataset, split.files[0])) == split.digest);
        continue;
      }
      Sha256 hash;
      for (const RecordFile& file : split.files) hash.update(bytes_of(dataset, file));
      CHECK(hash.hex() == split.digest);
    }
  }
}

TEST_CASE("the small set is stratified and its first images are the full set's") {
  const Images test = load_small(Split::test, 1000);
  const Images train = load_small(Split::train, 512);
  for (int label = 0; label < 10; ++label) {
    CHECK(std::count(test.labels.begin(), test.labels.end(), label) == 100);
    CHECK(std::count(train.labels.begin(), train.labels.end(), label) == (label < 2 ? 52 : 51));
  }
  if (!full_data_present()) SKIP("the full CIFAR-10 is not on this machine");
  const Images full =
      load_images(datasets().get("cifar10"), {Split::test, 1000, Subset::stratified}, "");
  CHECK(full.labels == test.labels);
  CHECK(full.pixels == test.pixels);
}

TEST_CASE("a number of images takes the first in file order") {
  const Images all = load_small(Split::test, 1000);
  const Images few = load_small(Split::test, 7);
  REQUIRE(few.count() == 7);
  CHECK(std::equal(few.labels.begin(), few.labels.end(), all.labels.begin()));
  CHECK(std::equal(few.pixels.begin(), few.pixels.end(), all.pixels.begin()));
}

TEST_CASE("a stratified choice gives the lowest classes what is left over") {
  const std::vector<std::int32_t> labels = {2, 0, 0, 1, 2, 1, 0};
  CHECK(choose(labels, 3, 4, Subset::stratified) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(choose(labels, 3, 6, Subset::stratified) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(choose(labels, 3, 3, Subset::first) == std::vector<std::int64_t>{0, 1, 2});
  CHECK_THROWS_AS(choose(labels, 4, 4, Subset::stratified), ConfigError);
}

TEST_CASE("asking for no image, or for more than there are, is a configuration error") {
  CHECK_THROWS_AS(load_small(Split::test, 0), ConfigError);
  CHECK_THROWS_WITH(load_small(Split::train, 513),
                    ContainsSubstring("513 train images asked for, it has 512"));
}

TEST_CASE("plain, xz and archived files are one data set") {
  const Images reference = load_small(Split::test, 1000);
  const std::vector<std::byte> bytes = bytes_of(small(), small().test.files.front());
  const TemporaryFolder folder;
  SECTION("plain") {
    write(folder.path() / "cifar10_small" / "test.bin", bytes);
    const Images images = load_images(small(), {Split::test, {}, Subset::first}, folder.path());
    CHECK(images.pixels == reference.pixels);
    CHECK(images.labels == reference.labels);
  }
  SECTION("archive, in the folder that the official one has") {
    Dataset dataset = small();
    dataset.folders = {""};
    dataset.archive = "small.tar.gz";
    write_tar(folder.path() / "small.tar.gz", {{"some-folder/test.bin", bytes}}, "gzip");
    const Images images = load_images(dataset, {Split::test, {}, Subset::first}, folder.path());
    CHECK(images.pixels == reference.pixels);
    CHECK(images.labels == reference.labels);
    CHECK_THROWS_WITH(load_images(dataset, {Split::train, {}, Subset::first}, folder.path()),
                      ContainsSubstring("small.tar.gz (train.bin)"));
  }
}

TEST_CASE("a missing file says where it was looked for and what to do") {
  const TemporaryFolder folder;
  const Dataset& full = datasets().get("cifar10");
  try {
    load_images(full, {Split::test, {}, Subset::first}, folder.path());
    FAIL("an empty folder was accepted");
  } catch (const DataError& error) {
    CHECK_THAT(error.what(), ContainsSubstring("test_batch.bin"));
    CHECK_THAT(error.what(), ContainsSubstring(folder.path().string()));
    CHECK_THAT(error.what(), ContainsSubstring("bitsweep data get cifar10"));
    CHECK(error.exit_code() == ExitCode::kEnvironment);
  }
}

TEST_CASE("a damaged file is refused with its name and the offset") {
  std::vector<std::byte> bytes = bytes_of(small(), small().test.files.front());
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "cifar10_small" / "test.bin";
  std::string expected;
  SECTION("one byte short") {
    bytes.pop_back();
    expected = "image 999, which begins at offset 3069927, is cut short: it has 3072 of 3073 bytes";
  }
  SECTION("one byte too many") {
    bytes.push_back(std::byte{0});
    expected = "image 1000, which begins at offset 3073000, is cut short";
  }
  SECTION("one record short") {
    bytes.resize(bytes.size() - 3073);
    expected = "holds 999 images of 3073 bytes, expected 1000";
  }
  SECTION("a label of 10") {
    bytes[3073] = std::byte{10};
    expected = "image 1 has label 10 at offset 3073; labels are 0 to 9";
  }
  SECTION("another pixel") {
    bytes[5] ^= std::byte{1};
    expected = "SHA-256 of the content is";
  }
  write(path, bytes);
  CHECK_THROWS_AS(load_images(small(), {Split::test, 1, Subset::first}, folder.path()), DataError);
  CHECK_THROWS_WITH(load_images(small(), {Split::test, 1, Subset::first}, folder.path()),
                    ContainsSubstring(path.string()) && ContainsSubstring(expected));
}

TEST_CASE("a truncated xz file is refused with its name") {
  const auto source = find_file(small(), small().test.files.front(), "");
  REQUIRE(source.has_value());
  REQUIRE(source->path.extension() == ".xz");
  std::ifstream in(source->path, std::ios::binary);
  std::string packed(std::istreambuf_iterator<char>(in), {});
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "cifar10_small" / "test.bin.xz";
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, std::size_t{40}, packed.size() / 2, packed.size() - 1}) {
    CAPTURE(size);
    write(path, std::as_bytes(std::span(packed.data(), size)));
    CHECK_THROWS_AS(load_images(small(), {Split::test, {}, Subset::first}, folder.path()),
                    DataError);
  }
}

TEST_CASE("the official archive of CIFAR-10 is read") {
  if (!full_data_present()) SKIP("the full CIFAR-10 is not on this machine");
  const Dataset& full = datasets().get("cifar10");
  const TemporaryFolder folder;
  write_tar(folder.path() / "cifar-10-binary.tar.gz",
            {{"cifar-10-batches-bin/test_batch.bin", bytes_of(full, full.test.files.front())}},
            "gzip");
  const Images images = load_images(full, {Split::test, {}, Subset::first}, folder.path());
  CHECK(images.count() == 10000);
  CHECK(images.labels[0] == 3);  // a cat
}

TEST_CASE("records of CIFAR-100 carry the coarse class before the fine one") {
  Dataset dataset = datasets().get("cifar100");
  CHECK(dataset.num_classes() == 100);
  CHECK(dataset.class_names[99] == "worm");
  std::vector<std::byte> records(3 * 3074);
  for (std::size_t i = 0; i < 3; ++i) {
    records[i * 3074] = static_cast<std::byte>(i + 10);          // coarse
    records[i * 3074 + 1] = static_cast<std::byte>(97 + i);      // fine
    records[i * 3074 + 2] = static_cast<std::byte>(i + 1);       // first red pixel
    records[i * 3074 + 3073] = static_cast<std::byte>(200 + i);  // last blue pixel
  }
  dataset.test.files = {{"test.bin", 3, "sha1:" + sha1_hex(records)}};
  const TemporaryFolder folder;
  SECTION("plain, in the folder of the official archive") {
    write(folder.path() / "cifar-100-binary" / "test.bin", records);
    const Images images = load_images(dataset, {.split = Split::test}, folder.path());
    CHECK(images.labels == std::vector<std::int32_t>{97, 98, 99});
    CHECK(images.image(2)[0] == 3);
    CHECK(images.image(1)[3071] == 201);
  }
  SECTION("in the official archive") {
    write_tar(folder.path() / "cifar-100-binary.tar.gz", {{"cifar-100-binary/test.bin", records}},
              "gzip");
    CHECK(load_images(dataset, {.split = Split::test}, folder.path()).labels[1] == 98);
  }
  SECTION("a fine class of 100") {
    records[3074 + 1] = std::byte{100};
    write(folder.path() / "test.bin", records);
    CHECK_THROWS_WITH(
        load_images(dataset, {.split = Split::test}, folder.path()),
        ContainsSubstring("image 1 has label 100 at offset 3075; labels are 0 to 99"));
  }
  SECTION("another pixel") {
    records[10] ^= std::byte{1};
    write(folder.path() / "test.bin", records);
    CHECK_THROWS_WITH(load_images(dataset, {.split = Split::test}, folder.path()),
                      ContainsSubstring("SHA-1 of the content is sha1:"));
  }
}
