#include "cli/export_formats.h"

#include <array>

#include "core/error.h"
#include "core/text.h"
#include "export/float_file.h"
#include "export/onnx.h"
#include "export/quantized_file.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;
using exporting::QuantizedNetwork;

Written one_file(const char* format, const fs::path& path) {
  return {format, {path.string()}, fs::file_size(path)};
}

const std::array kFormats = {
    ExportFormat{"safetensors", "packed codes, grids, graph", ".safetensors",
                 [](const QuantizedNetwork& network, const fs::path& path) {
                   exporting::write_quantized(path, network);
                   return one_file("safetensors", path);
                 }},
    ExportFormat{"onnx", "QuantizeLinear and DequantizeLinear", ".onnx",
                 [](const QuantizedNetwork& network, const fs::path& path) {
                   exporting::write_onnx(path, network);
                   return one_file("onnx", path);
                 }},
    ExportFormat{"fake", "quantized weights as float32 safetensors", ".fake.safetensors",
                 [](const QuantizedNetwork& network, const fs::path& path) {
                   exporting::write_fake_quantized(path, network);
                   return one_file("fake", path);
                 }},
};

}  // namespace

const ExportFormat& export_format(const std::string& name) {
  std::vector<std::string> names;
  for (const ExportFormat& format : kFormats) {
    if (format.name == name) return format;
    names.push_back(format.name);
  }
  throw ConfigError(unknown_name_message("format", name, names));
}

std::string export_format_summary() {
  std::vector<std::string> out;
  for (const ExportFormat& format : kFormats) {
    out.push_back(fmt::format("{} ({})", format.name, format.summary));
  }
  return join(out, ", ");
}

}  // namespace bitsweep::cli
