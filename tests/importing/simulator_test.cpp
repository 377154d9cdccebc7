#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/text.h"
#include "translated.h"

namespace bitsweep::importing {
namespace {

using Catch::Matchers::ContainsSubstring;

// On a network and data set that every build has.
config::Settings planned_here(const std::string& flags) {
  return planned("python inference/inference_sim.py -a resnet20 " + flags, "",
                 {"data.name=cifar10_small", "model.weights=none.safetensors"});
}

std::string notes_of(const std::string& flags) {
  return join(vocabularies().get("simulator").translate({flags, "typed", ""}).notes, "; ");
}

TEST_CASE("the README's 4-bit command plans as the trial that it ran") {
  const config::Settings settings =
      planned_here("-b 512 -pcq_w -pcq_a -sh --qtype int4 -qw int4 -c laplace -baa -baw -bcw");
  CHECK(bare(settings, "quant.preset") == "submission2019");
  CHECK(bare(settings, "quant.weight.bits") == "4");
  CHECK(bare(settings, "quant.weight.granularity") == "channel");
  CHECK(bare(settings, "quant.weight.bit_allocation") == "round");
  CHECK(bare(settings, "quant.weight.bias_correction") == "mean");
  CHECK(bare(settings, "quant.activation.bits") == "4");
  CHECK(bare(settings, "quant.activation.granularity") == "channel");
  CHECK(bare(settings, "quant.activation.clipping") == "laplace");
  CHECK(bare(settings, "quant.activation.bit_allocation") == "round");
  CHECK(bare(settings, "quant.calibration.statistics") == "dynamic");
  CHECK(bare(settings, "eval.shuffle") == "true");
  CHECK(bare(settings, "eval.batch_size") == "512");
}

TEST_CASE("statistics kept from earlier images become a calibration on test images") {
  const config::Settings settings =
      planned_here("-qw int8 --qtype int4 -sm use -cs 32 -sk max -c 2std -bca -ss 100");
  CHECK(bare(settings, "quant.calibration.statistics") == "calibrated");
  CHECK(bare(settings, "quant.calibration.source") == "test");
  CHECK(bare(settings, "quant.calibration.images") == "32");
  CHECK(bare(settings, "quant.calibration.over_batches") == "extreme");
  CHECK(bare(settings, "quant.activation.clipping") == "std:2");
  CHECK(bare(settings, "quant.activation.bias_correction") == "mean");
  CHECK(bare(settings, "data.test_images") == "100");
}

TEST_CASE("goals, priors and corrections are taken over") {
  const config::Settings settings = planned_here(
      "-qw=int3 --qtype=int3 -pcq_w -pcq_a -baa -baw -bam ceil -bap laplace -bata 3.4 -batw 3.2 "
      "-bcw -vcw -b64");
  CHECK(bare(settings, "quant.weight.bit_allocation") == "ceil");
  CHECK(bare(settings, "quant.weight.average_bits") == "3.2");
  CHECK(bare(settings, "quant.weight.allocation_prior") == "std");
  CHECK(bare(settings, "quant.activation.allocation_prior") == "b");
  CHECK(bare(settings, "quant.activation.average_bits") == "3.4");
  CHECK(bare(settings, "quant.weight.bias_correction") == "mean_variance");
  CHECK(bare(settings, "eval.batch_size") == "64");
}

TEST_CASE("a full-precision side is said, whether asked for or broken") {
  CHECK(bare(planned_here("--q_off -qw int4"), "quant.activation.bits") == "none");
  CHECK(bare(planned_here("--qtype int4 -qw f32"), "quant.weight.bits") == "none");
  CHECK_THAT(notes_of("-qw f32 --qtype int8"), ContainsSubstring("broken at the simulator's head"));
  CHECK_THAT(notes_of("-qw int4"), ContainsSubstring("without --qtype the simulator failed"));
}

TEST_CASE("flags that did nothing, or are no part of a trial, are named") {
  const std::string notes =
      notes_of("--qtype int4 -s -ra 0.3 -j 8 --device cuda --device_ids 0 1 -ep -dd dumps");
  CHECK_THAT(notes, ContainsSubstring("-s did nothing in the simulator"));
  CHECK_THAT(notes, ContainsSubstring("-ra 0.3 did nothing"));
  CHECK_THAT(notes, ContainsSubstring("-j 8 is no part of a trial here"));
  CHECK_THAT(notes, ContainsSubstring("--device_ids 0 1"));
  CHECK_THAT(notes, ContainsSubstring("-ep was a sweep"));
  CHECK_THAT(notes, ContainsSubstring("-dd dumps dumped tensors"));
}

TEST_CASE("a flag, word or number that the simulator did not know is refused") {
  CHECK_THAT(error_of("simulator", "--qtyp int4"), ContainsSubstring("did you mean '--qtype'?"));
  CHECK_THAT(error_of("simulator", "-pcq_z"), ContainsSubstring("unknown flag '-pcq_z'"));
  CHECK_THAT(error_of("simulator", "--qtype int4 -c lapalce"), ContainsSubstring("-c lapalce"));
  CHECK_THAT(error_of("simulator", "--qtype int4 -c exp"), ContainsSubstring("never implemented"));
  CHECK_THAT(error_of("simulator", "--qtype int40"), ContainsSubstring("expected int1 to int16"));
  CHECK_THAT(error_of("simulator", "--qtype"), ContainsSubstring("--qtype needs a value"));
  CHECK_THAT(error_of("simulator", "-b many"), ContainsSubstring("-b many: expected a whole"));
  CHECK_THAT(error_of("simulator", "-sh=1"), ContainsSubstring("-sh takes no value"));
  CHECK_THAT(error_of("simulator", "resnet18"), ContainsSubstring("belongs to no flag"));
  CHECK_THAT(error_of("simulator", "-a 'resnet18"), ContainsSubstring("never closed"));
}

TEST_CASE("a line end in what was typed stays inside the comment") {
  const ImportedTrial trial =
      vocabularies().get("simulator").translate({"-a resnet20 \\\n -qw int4", "typed", ""});
  const std::string toml = to_toml(trial);
  CHECK_THAT(toml, ContainsSubstring("\n#  -qw int4\n") || ContainsSubstring("\n# -qw int4\n"));
}

}  // namespace
}  // namespace bitsweep::importing
