// The fast executor against the dull one, bit for bit.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "integer/fast.h"
#include "integer/reference.h"
#include "kernels/cpu.h"
#include "networks.h"

namespace bitsweep::integer {
namespace {

using testing::Example;

void check_equal(const Network& network, std::uint32_t seed) {
  const std::vector<float> image = testing::drawn_image(network.input().shape, seed);
  const Trace expected = run_reference(network, image);
  FastExecutor fast(network);
  const Trace got = fast.trace(image);
  for (std::size_t i = 0; i < network.tensors.size(); ++i) {
    INFO("tensor " << network.tensors[i].name);
    REQUIRE(got.codes[i] == expected.codes[i]);
  }
  REQUIRE(got.logits == expected.logits);
}

// Every instruction set of this processor in turn, and the strongest one afterwards.
template <class Body>
void on_each_instruction_set(const Body& body) {
  const kernels::InstructionSet before = kernels::active_instruction_set();
  for (const kernels::InstructionSet set : kernels::available_instruction_sets()) {
    INFO("instruction set " << kernels::name(set));
    kernels::force_instruction_set(set);
    body();
  }
  kernels::force_instruction_set(before);
}

TEST_CASE("the fast executor gives the reference's codes on small drawn networks") {
  const auto seed = GENERATE(range(1U, 41U));
  INFO("seed " << seed);
  const Example example = testing::small_example(seed);
  Settings settings;
  settings.rounding =
      seed % 2 == 0 ? kernels::FixedRounding::truncate : kernels::FixedRounding::nearest;
  settings.variant = seed % 3 == 0 ? Variant::document : Variant::corrected;
  const Network network = example.build(settings);
  on_each_instruction_set([&] { check_equal(network, seed); });
}

TEST_CASE("the fast executor gives the reference's codes on whole networks") {
  const auto [model, activation] =
      GENERATE(std::pair{"toynet", "mpact"}, std::pair{"resnet20", "dorefa_clamp"},
               std::pair{"resnet20", "mpact"});
  INFO(model << " with " << activation);
  const Network network = testing::example(model, activation, 8).build();
  FastExecutor fast(network);
  CHECK(fast.slow_steps() == std::vector<std::string>{});
  check_equal(network, 7);
}

TEST_CASE("the fast executor runs what its kernels cannot on the reference's loops and says so") {
  const Network network = testing::small_example(3).build(
      {.variant = Variant::document, .input = image_format(2.8, Variant::document)});
  FastExecutor fast(network);
  CHECK(fast.slow_steps() == std::vector<std::string>{"conv0: its input has more than 16 bits"});
  check_equal(network, 3);
}

TEST_CASE("the fast executor runs several images as it runs each") {
  const Network network = testing::small_example(5).build();
  const auto n = static_cast<std::size_t>(network.input().shape.elements());
  std::vector<float> images;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const std::vector<float> image = testing::drawn_image(network.input().shape, i);
    images.insert(images.end(), image.begin(), image.end());
  }
  const auto classes = static_cast<std::size_t>(network.num_classes());
  std::vector<float> logits(3 * classes);
  FastExecutor fast(network);
  fast.run(images, 3, logits);
  for (std::size_t i = 0; i < 3; ++i) {
    const Trace alone = run_reference(network, std::span(images).subspan(i * n, n));
    CHECK(alone.logits ==
          std::vector<float>(logits.begin() + static_cast<std::ptrdiff_t>(i * classes),
                             logits.begin() + static_cast<std::ptrdiff_t>((i + 1) * classes)));
  }
}

}  // namespace
}  // namespace bitsweep::integer
