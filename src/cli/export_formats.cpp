#include "cli/export_formats.h"

#include <array>
#include <cctype>
#include <span>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "export/float_file.h"
#include "export/onnx.h"
#include "export/quantized_file.h"
#include "integer/c_header.h"
#include "integer/memory_image.h"
#include "integer/structure.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

Written one_file(const char* format, const fs::path& path) {
  return {format, {path.string()}, fs::file_size(path)};
}

Written integer_file(const Exported& exported, const fs::path& path) {
  write_file_atomic(path, std::span<const std::byte>(read_binary_file(exported.packed_integers)));
  return one_file("integer", path);
}

// A C identifier from the network's name.
std::string identifier(const std::string& name) {
  std::string out = name;
  for (char& c : out) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) != 0 ? "net_" + out : out;
}

Written c_file(const Exported& exported, const fs::path& path) {
  write_file_atomic(path,
                    integer::c_header(*exported.integers, identifier(exported.integers->name)));
  return one_file("c", path);
}

// One memory image an array, in a folder.
Written memory_images(const Exported& exported, const fs::path& folder) {
  Written out{"readmemh", {}, 0};
  for (const integer::IntegerArray& array : integer::arrays_of(*exported.integers)) {
    if (array.real) continue;
    const fs::path path = folder / (array.name + ".hex");
    write_file_atomic(path,
                      integer::memory_image(array.values, array.bits,
                                            fmt::format("{} [{}], {} bits", array.name,
                                                        fmt::join(array.shape, ", "), array.bits)));
    out.files.push_back(path.string());
    out.bytes += fs::file_size(path);
  }
  return out;
}

Written verilog(const Exported& exported, const fs::path& folder) {
  Written out{"verilog", {}, 0};
  for (const auto& [name, content] : exported.hardware->files) {
    write_file_atomic(folder / name, content);
    out.files.push_back((folder / name).string());
    out.bytes += content.size();
  }
  return out;
}

const std::array kFormats = {
    ExportFormat{"safetensors", "packed codes, grids, graph", ".safetensors", Source::network,
                 [](const Exported& exported, const fs::path& path) {
                   exporting::write_quantized(path, exported.network);
                   return one_file("safetensors", path);
                 }},
    ExportFormat{"onnx", "QuantizeLinear and DequantizeLinear", ".onnx", Source::network,
                 [](const Exported& exported, const fs::path& path) {
                   exporting::write_onnx(path, exported.network);
                   return one_file("onnx", path);
                 }},
    ExportFormat{"fake", "quantized weights as float32 safetensors", ".fake.safetensors",
                 Source::network,
                 [](const Exported& exported, const fs::path& path) {
                   exporting::write_fake_quantized(path, exported.network);
                   return one_file("fake", path);
                 }},
    ExportFormat{"integer", "a trained network in whole numbers", ".integers.safetensors",
                 Source::integers, integer_file},
    ExportFormat{"c", "the same as a C header", ".h", Source::integers, c_file},
    ExportFormat{"readmemh", "the same as memory images, a folder", ".readmemh", Source::integers,
                 memory_images},
    ExportFormat{"verilog", "one layer of it as hardware with a testbench, a folder", ".verilog",
                 Source::layer, verilog},
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
