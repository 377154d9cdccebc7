#include <ATen/ops/from_blob.h>

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "exec/inference.h"
#include "models/onnx_network.h"

using namespace bitsweep;

TEST_CASE("imported networks give the logits that PyTorch gives") {
  const std::string folder = BITSWEEP_ONNX_FILES;
  const auto reference = nlohmann::json::parse(read_text_file(folder + "/logits.json"));
  // inputs() of make_onnx.py.
  constexpr std::int64_t kImages = 2;
  std::vector<float> images(kImages * 3 * 32 * 32);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<float>(i * 37 % 256) / 255.0F - 0.5F;
  }
  const at::Tensor batch =
      at::from_blob(images.data(), {kImages, 3, 32, 32}, at::TensorOptions(at::kFloat));
  for (const auto& [name, logits_of] : {std::pair("network", "network"),
                                        {"folded", "network"},
                                        {"padded", "padded"},
                                        {"shortcut", "shortcut"},
                                        {"shortcut_folded", "shortcut"}}) {
    CAPTURE(name);
    const auto network = models::read_onnx(folder + "/" + name + ".onnx");
    const exec::Inference inference(network.graph, network.weights, at::kCPU);
    const at::Tensor logits = inference.run(batch, {}).contiguous();
    const float* got = logits.const_data_ptr<float>();
    for (const auto& row : reference.at(logits_of)) {
      for (const auto& value : row) {
        const float expected = value.get<float>();
        CHECK(std::abs(*got++ - expected) <= 1e-5F * std::max(1.0F, std::abs(expected)));
      }
    }
  }
}
