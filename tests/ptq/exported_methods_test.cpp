// Networks of document 004's further methods as codes in a file, run again from it.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/settings.h"
#include "exec/device.h"
#include "export/quantized_file.h"
#include "ptq/exported.h"
#include "ptq/trial.h"
#include "resnet20.h"

using namespace bitsweep;
using testing::Keys;

namespace {

constexpr std::int64_t kImages = 48;

config::Settings settings(const Keys& keys) {
  return testing::resnet20({{"data.test_images", kImages},
                            {"quant.weight.bits", 3},
                            {"quant.weight.granularity", "channel"},
                            {"quant.weight.bias_correction", "mean"},
                            {"quant.activation.bits", 6},
                            {"quant.calibration.images", 32}},
                           keys);
}

struct Trial {
  ptq::Outcome outcome;
  ptq::LogitsRecord logits{kImages};
};

Trial run(ptq::Session& session, const config::TrialConfig& config) {
  Trial out;
  ptq::Listener listener;
  listener.logits = [&](std::int64_t position, std::span<const float> values) {
    out.logits.add(position, values);
  };
  out.outcome = session.run(config, listener);
  return out;
}

// A file that goes with the test.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "bitsweep-methods-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  std::filesystem::path path() const { return folder_ / "net.safetensors"; }

 private:
  std::filesystem::path folder_;
};

exporting::QuantizedNetwork through_a_file(const exporting::QuantizedNetwork& network) {
  const TemporaryFile file;
  exporting::write_quantized(file.path(), network);
  return exporting::read_quantized(file.path());
}

}  // namespace

TEST_CASE("k-means, re-estimated norms and rounding adapted come back from a file bit for bit") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  for (const Keys& keys :
       {Keys{{"quant.weight.quantizer", "kmeans"}},
        Keys{{"quant.weight.quantizer", "kmeans"}, {"quant.weight.granularity", "tensor"}},
        Keys{{"quant.batch_norm_reestimation", true}},
        Keys{{"quant.weight.quantizer", "kmeans"}, {"quant.batch_norm_reestimation", true}},
        Keys{{"quant.batch_norm_reestimation", true},
             {"quant.weight.adaptive_rounding", true},
             {"quant.weight.adaptive_rounding_steps", 20}}}) {
    const config::Settings all = settings(keys);
    CAPTURE(all.to_json().dump());
    const config::TrialConfig config = config::to_trial(all);
    const Trial trial = run(session, config);
    const auto network =
        through_a_file(ptq::exported_network(trial.outcome.prepared, all.to_json(), config));
    const ptq::ExportedRun again = ptq::run_exported(network, config, at::kCPU, {});
    CHECK((again.accuracy.bitmap() == trial.outcome.accuracy.bitmap()));
    CHECK(again.logits.sha256() == trial.logits.sha256());
    std::int64_t packed = 0, whole = 0;
    for (const exporting::LayerSize& size : exporting::layer_sizes(network)) {
      packed += size.packed_bytes;
      whole += size.float_bytes;
    }
    CHECK(packed < whole / 8);  // 3 bits, the first and the last layer 8
  }
}
