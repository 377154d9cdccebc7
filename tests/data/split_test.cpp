#include "data/split.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "data/order.h"

using namespace bitsweep;
using namespace bitsweep::data;
using Catch::Matchers::ContainsSubstring;

namespace {

Images labelled(std::vector<std::int32_t> labels) {
  Images out{{3, 1, 1}, {}, std::move(labels)};
  out.pixels.resize(3 * out.labels.size());
  return out;
}

using Positions = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("validation images are the last of each class, in file order") {
  const Images images = labelled({0, 1, 0, 1, 2, 2, 0, 1, 2});
  const TrainSplit three = split_validation(images, 3);
  CHECK(three.validation == Positions{6, 7, 8});
  CHECK(three.training == Positions{0, 1, 2, 3, 4, 5});
  const TrainSplit four = split_validation(images, 4);  // class 0 gives one more
  CHECK(four.validation == Positions{2, 6, 7, 8});
  CHECK(four.training == Positions{0, 1, 3, 4, 5});
}

TEST_CASE("no validation images leave all to training") {
  const TrainSplit split = split_validation(labelled({1, 0, 1}), 0);
  CHECK(split.training == Positions{0, 1, 2});
  CHECK(split.validation.empty());
}

TEST_CASE("a validation split that cannot be had is a configuration error") {
  const Images images = labelled({0, 0, 0, 1});
  CHECK_THROWS_WITH(split_validation(images, 4),
                    ContainsSubstring("data.validation_images = 4: expected fewer than the 4"));
  CHECK_THROWS_AS(split_validation(images, -1), ConfigError);
  CHECK_THROWS_AS(split_validation(labelled({0, 0, 0, 0, 1}), 4), ConfigError);
  CHECK_THROWS_AS(split_validation(labelled({}), 1), ConfigError);
}

TEST_CASE("the small set's validation images are stratified and the same every time") {
  const Images train =
      load_images(datasets().get("cifar10_small"), {Split::train, {}, Subset::first}, "");
  const TrainSplit split = split_validation(train, 100);
  Positions per_class(10);
  for (const std::int64_t i : split.validation)
    ++per_class[static_cast<std::size_t>(train.labels[static_cast<std::size_t>(i)])];
  CHECK(per_class == Positions(10, 10));
  CHECK(split.training.size() == 412);
  CHECK(split.validation == split_validation(train, 100).validation);
}
