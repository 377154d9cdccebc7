// A small sweep with made-up results: FP32 and {W8A8, W4A8, W8A4, W4A4} × {tensor, channel}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/hash.h"
#include "report/input.h"

namespace bitsweep::report {

inline store::Bitmap bitmap_with(std::int64_t images, std::int64_t correct, unsigned salt) {
  store::Bitmap bitmap;
  bitmap.evaluation = "top1";
  bitmap.images = images;
  bitmap.bits.assign(static_cast<std::size_t>((images + 7) / 8), std::byte{0});
  // A fixed order of images that differs a little with the salt.
  for (std::int64_t i = 0; i < correct; ++i) {
    const std::int64_t image = (i * 7919 + (i % 10 == 0 ? salt * 13 : 0)) % images;
    bitmap.bits[static_cast<std::size_t>(image / 8)] |= std::byte{0x80} >> (image % 8);
  }
  bitmap.sha256 = sha256_hex(bitmap.bits);
  return bitmap;
}

struct Result {
  std::int64_t correct = 0;
  std::int64_t images = 1000;
  double weight_bits = 32;
  double activation_bits = 32;
};

inline Run make_run(const std::string& point, std::uint64_t seed,
                    std::vector<std::pair<std::string, nlohmann::json>> axes,
                    nlohmann::json config) {
  Run run;
  run.trial.canonical = point + "/" + std::to_string(seed);
  run.trial.key = sha256_hex(run.trial.canonical);
  run.trial.seed = seed;
  run.trial.config = std::move(config);
  store::Membership membership;
  membership.sweep = "demo";
  membership.group = "demo/" + point;
  membership.name = "demo/" + point + ",seed=" + std::to_string(seed);
  membership.axes = std::move(axes);
  run.trial.memberships.push_back(std::move(membership));
  return run;
}

inline void succeed(Run& run, const Result& result) {
  store::AttemptRecord attempt;
  attempt.key = run.trial.key;
  attempt.number = 1;
  attempt.status = store::Status::ok;
  attempt.started_ms = 1'780'000'000'000;
  attempt.seconds = 1.25;
  attempt.device = "cpu";
  attempt.fingerprint = {{"libtorch", "2.11.0"}, {"instruction_set", "x86-64-v3"}, {"threads", 1}};
  attempt.finals = {
      {"top1", static_cast<double>(result.correct) / static_cast<double>(result.images)},
      {"correct", result.correct},
      {"images", result.images},
      {"loss", 0.25},
      {"weight_bits_average", result.weight_bits},
      {"activation_bits_average", result.activation_bits},
      {"bytes", 33750 * result.weight_bits},
      {"bops", 41e6 * result.weight_bits * result.activation_bits}};
  attempt.bitmaps.push_back(
      bitmap_with(result.images, result.correct, static_cast<unsigned>(result.correct)));
  run.attempts.push_back(std::move(attempt));
}

inline nlohmann::json config_of(const std::string& scheme, int weight_bits, int activation_bits) {
  return {{"model.name", "resnet20"},         {"data.name", "cifar10_small"},
          {"data.test_images", nullptr},      {"quant.scheme", scheme},
          {"quant.weight.bits", weight_bits}, {"quant.activation.bits", activation_bits}};
}

inline ReportInput demo_input() {
  ReportInput input;
  input.sweep.name = "demo";
  input.sweep.text = "schema = 1\n";
  input.sweep.sha256 = sha256_hex(input.sweep.text);
  input.source = "sweeps/demo.toml";
  struct Point {
    int weight_bits, activation_bits;
    const char* granularity;
    std::int64_t correct;
  };
  const std::vector<Point> points{
      {8, 8, "tensor", 912}, {8, 8, "channel", 916}, {4, 8, "tensor", 831}, {4, 8, "channel", 884},
      {8, 4, "tensor", 742}, {8, 4, "channel", 868}, {4, 4, "tensor", 603}, {4, 4, "channel", 836}};
  for (const Point& point : points) {
    const std::string bits =
        "W" + std::to_string(point.weight_bits) + "A" + std::to_string(point.activation_bits);
    Run run = make_run("bits=" + bits + ",granularity=" + point.granularity, 0,
                       {{"bits", bits}, {"granularity", point.granularity}},
                       config_of("aciq", point.weight_bits, point.activation_bits));
    succeed(run, {point.correct, 1000, point.weight_bits + 0.05, point.activation_bits + 0.1});
    input.runs.push_back(std::move(run));
  }
  Run fp32 = make_run("fp32", 0, {}, config_of("none", 8, 8));
  succeed(fp32, {917});
  input.runs.push_back(std::move(fp32));
  input.tables.push_back({"Bits and granularity", "", {"bits"}, {"granularity"}, "top1"});
  input.skipped.push_back({"bits=W2A2", "diverges"});
  input.notes.emplace_back("The images of this sweep are made up.");
  input.lints.emplace_back("one seed: a binomial interval covers the images, not the training");
  return input;
}

inline store::ClaimRecord claim(const std::string& id, const std::string& where, double value,
                                double tolerance, const std::string& requires_ = "") {
  store::ClaimRecord out;
  out.id = id;
  out.where = where;
  out.metric = "top1";
  out.value = value;
  out.tolerance = tolerance;
  out.requires_ = requires_;
  return out;
}

}  // namespace bitsweep::report
