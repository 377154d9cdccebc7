#include "data/normalize.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::data;

namespace {

// Two images of 1 × 2 pixels.
Images tiny() { return {{3, 1, 2}, {0, 255, 10, 20, 30, 40, 1, 2, 3, 4, 5, 6}, {0, 1}}; }

std::vector<float> batch(const std::string& name, std::vector<std::int64_t> positions) {
  config::NormalizeConfig config;
  config.name = name;
  std::vector<float> out(positions.size() * 6);
  normalized_batch(tiny(), positions, normalization(config, datasets().get("cifar10")), out.data());
  return out;
}

}  // namespace

TEST_CASE("raw, tf and caffe inputs are what the networks' sources feed") {
  CHECK(batch("raw", {0}) == std::vector<float>{0, 255, 10, 20, 30, 40});
  CHECK(batch("tf", {0})[0] == -1.0F);
  CHECK(batch("tf", {0})[1] == 1.0F);
  CHECK(batch("caffe", {0}) ==
        std::vector<float>{30 - 104, 40 - 104, 10 - 117, 20 - 117, 0 - 123, 255 - 123});
}

TEST_CASE("imagenet inputs are (x / 255 - mean) / std in float32") {
  const std::vector<float> got = batch("imagenet", {0});
  CHECK(got[1] == (1.0F - 0.485F) / 0.229F);
  CHECK(got[2] == (10.0F / 255.0F - 0.456F) / 0.224F);
  CHECK(got[5] == (40.0F / 255.0F - 0.406F) / 0.225F);
}

TEST_CASE("auto is the data set's own normalisation") {
  CHECK(batch("auto", {0}) == batch("cifar10", {0}));
}

TEST_CASE("positions choose the images and their order") {
  CHECK(batch("raw", {1, 0}) == std::vector<float>{1, 2, 3, 4, 5, 6, 0, 255, 10, 20, 30, 40});
}

TEST_CASE("an unknown normalisation is refused with the known names") {
  CHECK_THROWS_WITH(batch("imagenette", {0}), Catch::Matchers::ContainsSubstring("imagenet, raw"));
}
