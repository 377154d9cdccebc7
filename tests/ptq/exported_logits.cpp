// For tests that run an exported network elsewhere: EXPORTED.safetensors PREFIX writes the trial's
// test images as the network reads them (PREFIX.images) and its logits (PREFIX.logits), float32.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "config/settings.h"
#include "core/error.h"
#include "core/file.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "exec/device.h"
#include "export/quantized_file.h"
#include "ptq/exported.h"

namespace {

using namespace bitsweep;

void write(const std::string& path, std::span<const float> values) {
  write_file_atomic(path, std::as_bytes(values));
}

void run(const std::string& file, const std::string& prefix) {
  exec::set_threads(1);
  const auto network = exporting::read_quantized(file);
  auto config = config::to_trial(config::Settings::from_json(network.settings));
  config.data.image_size = network.graph.node(0).output.height;
  const data::Images test =
      data::load_images(data::datasets().get(config.data.name),
                        data::selection_of(config.data, data::Split::test), config.data.root);
  std::vector<float> images(static_cast<std::size_t>(test.count() * test.shape.elements()));
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < test.count(); ++i) positions.push_back(i);
  data::normalized_batch(test, positions, network.normalization, images.data());
  write(prefix + ".images", images);
  const ptq::ExportedRun result = ptq::run_exported(network, config, at::kCPU, {});
  std::vector<float> logits;
  for (const std::int64_t i : positions) {
    const std::span<const float> row = result.logits.of(i);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  write(prefix + ".logits", logits);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
