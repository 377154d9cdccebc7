#include "data/jpeg_split.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "data/image_files.h"
#include "data/pixel_file.h"
#include "data/source.h"
#include "temporary_folder.h"

using namespace bitsweep;
using namespace bitsweep::data;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

std::vector<std::byte> jpeg(const std::string& name) {
  return read_binary_file(std::string(BITSWEEP_JPEGS) + "/" + name + ".jpg");
}

// Three classes; the test split has `images` images and no known digest.
Dataset tiny(std::int64_t images) {
  Dataset out;
  out.name = "tiny";
  out.storage = Storage::jpeg;
  out.shape = {3, 32, 32};
  out.class_ids = {"n00000010", "n00000020", "n00000030"};
  out.class_names = {"a", "b", "c"};
  out.normalize = "imagenet";
  out.test.files = {{"val.tar", images, "", {"val"}}};
  out.test.digest = "md5:unknown";
  out.train = out.test;
  out.folders = {""};
  out.remedy = "there is none";
  return out;
}

// A root folder, and a cache of the test's own.
class Workplace {
 public:
  Workplace() {
    const char* before = std::getenv("BITSWEEP_CACHE");
    if (before != nullptr) cache_before_ = before;
    ::setenv("BITSWEEP_CACHE", (folder_.path() / "cache").c_str(), 1);
  }
  ~Workplace() {
    if (cache_before_.empty()) {
      ::unsetenv("BITSWEEP_CACHE");
    } else {
      ::setenv("BITSWEEP_CACHE", cache_before_.c_str(), 1);
    }
  }
  fs::path root() const { return folder_.path() / "root"; }
  void add(const std::string& name, std::span<const std::byte> bytes) const {
    write(root() / name, bytes);
  }
  Images load(const Dataset& dataset, const Selection& selection = {}) const {
    return load_images(dataset, selection, root());
  }
  // The one cache file.
  fs::path cached() const {
    fs::path out;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "cache" / "images")) {
      if (entry.path().extension() != ".pixels") continue;
      REQUIRE(out.empty());
      out = entry.path();
    }
    REQUIRE(!out.empty());
    return out;
  }

 private:
  TemporaryFolder folder_;
  std::string cache_before_;
};

std::vector<std::uint8_t> pixels_of(const Images& images) {
  std::vector<std::uint8_t> out;
  for (std::int64_t i = 0; i < images.count(); ++i) {
    out.insert(out.end(), images.image(i), images.image(i) + images.shape.elements());
  }
  return out;
}

std::span<const std::byte> text(const std::string& content) {
  return std::as_bytes(std::span(content));
}

void add_validation_set(const Workplace& place) {
  place.add("val/ILSVRC2012_val_00000001.JPEG", jpeg("wide"));
  place.add("val/ILSVRC2012_val_00000002.JPEG", jpeg("tall"));
  place.add("val/ILSVRC2012_val_00000003.JPEG", jpeg("grey"));
  place.add("ilsvrc2012_val_labels.txt", text("2\n0\n1\n"));
}

}  // namespace

TEST_CASE("folders by class, a flat folder with a label file, and tars are one data set") {
  const Workplace flat;
  add_validation_set(flat);
  const Images reference = flat.load(tiny(3));
  CHECK(reference.labels == std::vector<std::int32_t>{2, 0, 1});
  CHECK(reference.shape == ImageShape{3, 32, 32});

  const Members by_class = {{"n00000030/ILSVRC2012_val_00000001.JPEG", jpeg("wide")},
                            {"n00000010/ILSVRC2012_val_00000002.JPEG", jpeg("tall")},
                            {"n00000020/ILSVRC2012_val_00000003.JPEG", jpeg("grey")}};
  const Workplace other;
  SECTION("folders by class") {
    for (const auto& [name, bytes] : by_class) other.add("val/" + name, bytes);
    other.add("val/n00000010/notes.txt", text("no image"));
  }
  SECTION("a tar of them") {
    fs::create_directories(other.root());
    write_tar(other.root() / "val.tar", by_class, "none");
  }
  SECTION("a flat tar beside the label file, in another order") {
    other.add("ilsvrc2012_val_labels.txt", text("2\n0\n1\n"));
    write_tar(other.root() / "val.tar",
              {{"ILSVRC2012_val_00000003.JPEG", jpeg("grey")},
               {"ILSVRC2012_val_00000001.JPEG", jpeg("wide")},
               {"ILSVRC2012_val_00000002.JPEG", jpeg("tall")}},
              "none");
  }
  const Images images = other.load(tiny(3));
  CHECK(images.labels == reference.labels);
  CHECK(pixels_of(images) == pixels_of(reference));
}

TEST_CASE("a class may stand at the beginning of a file name, or after its number") {
  const Workplace place;
  place.add("val/n00000020_17.JPEG", jpeg("wide"));
  place.add("val/0001_0002_whatever.jpg", jpeg("wide"));
  CHECK(place.load(tiny(2)).labels == std::vector<std::int32_t>{2, 1});
}

TEST_CASE("an image without a class is named") {
  const Workplace place;
  std::string expected;
  SECTION("no hint at all") {
    place.add("val/holiday.jpg", jpeg("wide"));
    expected = "holiday.jpg): nothing says its class";
  }
  SECTION("a label out of range") {
    place.add("val/0001_0003_x.jpg", jpeg("wide"));
    expected = "0001_0003_x.jpg): nothing says its class";
  }
  SECTION("no such line in the label file") {
    place.add("val/ILSVRC2012_val_00000004.JPEG", jpeg("wide"));
    place.add("val/ilsvrc2012_val_labels.txt", text("2\n0\n1\n"));
    expected = "its class is line 4 of";
  }
  SECTION("a label file with another thing in it") {
    place.add("val/ILSVRC2012_val_00000001.JPEG", jpeg("wide"));
    place.add("val/ilsvrc2012_val_labels.txt", text("2\n3\n"));
    expected = "ilsvrc2012_val_labels.txt:2: '3' is no class; expected 0 to 2";
  }
  CHECK_THROWS_AS(place.load(tiny(1)), DataError);
  CHECK_THROWS_WITH(place.load(tiny(1)), ContainsSubstring(expected));
}

TEST_CASE("a split with too few images, none, or tars in a tar is refused") {
  const Workplace place;
  std::string expected;
  SECTION("too few") {
    add_validation_set(place);
    expected = "holds 3 images, the test images of 'tiny' are 4";
  }
  SECTION("none") {
    place.add("val/readme.txt", text("nothing here"));
    expected = "holds no .jpg or .jpeg file";
  }
  SECTION("tars") {
    fs::create_directories(place.root());
    write_tar(place.root() / "val.tar", {{"n00000010.tar", jpeg("wide")}}, "none");
    expected = "holds tars of images";
  }
  CHECK_THROWS_WITH(place.load(tiny(4)), ContainsSubstring(expected));
}

TEST_CASE("a choice of images decodes those and gives the bytes of the whole") {
  const Workplace place;
  add_validation_set(place);
  const Images first = place.load(tiny(3), {.images = 2});
  CHECK(first.count() == 2);
  CHECK(PixelFile::open(place.cached())->description().labels.size() == 2);
  const Images all = place.load(tiny(3));
  const std::vector<std::uint8_t> some = pixels_of(first);
  const std::vector<std::uint8_t> every = pixels_of(all);
  CHECK(std::equal(some.begin(), some.end(), every.begin()));
  const Images one_each = place.load(tiny(3), {.images = 2, .subset = Subset::stratified});
  CHECK(one_each.labels == std::vector<std::int32_t>{0, 1});
  CHECK(std::equal(one_each.image(0), one_each.image(0) + 3 * 32 * 32, all.image(1)));
  CHECK_THROWS_AS(place.load(tiny(3), {.images = 4}), ConfigError);
}

TEST_CASE("data.image_size scales these images and refuses others") {
  const Workplace place;
  add_validation_set(place);
  CHECK(place.load(tiny(3), {.image_size = 40}).shape == ImageShape{3, 40, 40});
  CHECK(shape_of(tiny(3), {}, 48) == ImageShape{3, 48, 48});
  const Dataset& cifar = datasets().get("cifar10_small");
  CHECK(shape_of(cifar, {}, 48) == ImageShape{3, 32, 32});
  CHECK_THROWS_WITH(load_images(cifar, {.images = 1, .image_size = 48}, ""),
                    ContainsSubstring("images of data set 'cifar10_small' are 32 x 32"));
}

TEST_CASE("broken images are counted and named, images of four inks are converted") {
  const Workplace place;
  add_validation_set(place);
  place.add("val/ILSVRC2012_val_00000003.JPEG", jpeg("inks"));
  CHECK(place.load(tiny(3)).count() == 3);
  std::vector<std::byte> cut = jpeg("wide");
  cut.resize(cut.size() / 2);
  place.add("val/ILSVRC2012_val_00000001.JPEG", cut);
  place.add("val/ILSVRC2012_val_00000002.JPEG", text("GIF89a"));
  try {
    place.load(tiny(3));
    FAIL("broken images were accepted");
  } catch (const DataError& error) {
    CHECK_THAT(error.what(), ContainsSubstring("2 of 3 images cannot be used"));
    CHECK_THAT(error.what(), ContainsSubstring("ILSVRC2012_val_00000001.JPEG: it does not decode"));
    CHECK_THAT(error.what(), ContainsSubstring("ILSVRC2012_val_00000002.JPEG: it is no JPEG file"));
  }
}

TEST_CASE("the decoded images are kept, and a damaged file of them is made again") {
  const Workplace place;
  add_validation_set(place);
  const std::vector<std::uint8_t> reference = pixels_of(place.load(tiny(3)));
  const fs::path cached = place.cached();
  const std::vector<std::byte> good = read_binary_file(cached);
  const auto made = fs::last_write_time(cached);
  CHECK(pixels_of(place.load(tiny(3))) == reference);
  CHECK(fs::last_write_time(cached) == made);  // read, not made again

  std::mt19937 random(1);
  std::vector<std::vector<std::byte>> damaged(5, good);
  damaged[0].resize(good.size() - 1);
  damaged[1].resize(10);
  damaged[2].clear();
  damaged[3][100] ^= std::byte{1};                // a pixel
  damaged[4][good.size() - 200] ^= std::byte{1};  // the index
  for (int flips = 0; flips < 20; ++flips) {
    damaged.push_back(good);
    damaged.back()[random() % good.size()] ^= std::byte{4};
  }
  for (const std::vector<std::byte>& bytes : damaged) {
    write(cached, bytes);
    CHECK_THROWS_AS(PixelFile::open(cached), DataError);
    CHECK(pixels_of(place.load(tiny(3))) == reference);
    CHECK(read_binary_file(cached) == good);
  }
}

TEST_CASE("an image that is replaced is decoded anew") {
  const Workplace place;
  add_validation_set(place);
  const std::vector<std::uint8_t> before = pixels_of(place.load(tiny(3)));
  place.add("val/ILSVRC2012_val_00000003.JPEG", jpeg("tall"));
  CHECK(pixels_of(place.load(tiny(3))) != before);
}

TEST_CASE("a known digest is compared with the decoded images") {
  const Workplace place;
  add_validation_set(place);
  Dataset dataset = tiny(3);
  static_cast<void>(place.load(dataset));
  dataset.test.digest = PixelFile::open(place.cached())->description().records_sha256;
  CHECK(place.load(dataset, {.images = 1}).count() == 1);
  place.add("ilsvrc2012_val_labels.txt", text("2\n1\n1\n"));
  CHECK_THROWS_WITH(place.load(dataset), ContainsSubstring("SHA-256 of the decoded images is"));
}

TEST_CASE("a damaged tar is refused or read, never worse") {
  const Workplace place;
  fs::create_directories(place.root());
  const fs::path path = place.root() / "val.tar";
  write_tar(path,
            {{"n00000010/a.jpg", jpeg("grey")},
             {"n00000020/b.jpg", jpeg("grey")},
             {"n00000030/c.jpg", jpeg("grey")}},
            "none");
  const std::vector<std::byte> good = read_binary_file(path);
  CHECK(place.load(tiny(3)).count() == 3);
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::byte> bytes = good;
    if (round % 2 == 0) bytes.resize(random() % 7000);  // within the last image
    for (int flips = round % 5; flips > 0; --flips) {
      if (!bytes.empty()) bytes[random() % bytes.size()] ^= std::byte{16};
    }
    write(path, bytes);
    try {
      static_cast<void>(place.load(tiny(3)));
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused >= 50);
}

TEST_CASE("the stand-ins for ImageNet are the official ones") {
  const Dataset& proxy = datasets().get("imagenet_proxy");
  if (!find_file(proxy, proxy.test.files.front(), "")) SKIP("no imagenet_proxy on this machine");
  const Images test = load_images(proxy, {Split::test, {}, Subset::first}, "");
  CHECK(test.count() == 1000);
  CHECK(test.labels[0] == 305);  // 0000_0305_….jpg
  CHECK(test.shape == ImageShape{3, 224, 224});
  const Images train = load_images(proxy, {Split::train, 500, Subset::first}, "");
  CHECK(train.labels[1] == 2);  // one of every second class
}
