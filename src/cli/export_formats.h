// What `bitsweep export --format` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "export/quantized_network.h"
#include "integer/network.h"
#include "integer/verilog.h"

namespace bitsweep::cli {

struct Written {
  std::string format;
  std::vector<std::string> files;
  std::uint64_t bytes = 0;  // of all files
};

// What a format is made from.
enum class Source {
  network,   // the quantized network, of any trial
  integers,  // whole numbers, of a training
  layer,     // one layer of them, as hardware
};

// integers: unless Source::network; hardware: of Source::layer; else nullptr.
struct Exported {
  const exporting::QuantizedNetwork& network;
  const integer::Network* integers = nullptr;
  std::filesystem::path packed_integers;  // the file that they came in
  const integer::Hardware* hardware = nullptr;
};

struct ExportFormat {
  std::string name;
  std::string summary;
  std::string suffix;  // of the default file or folder
  Source source;
  Written (*write)(const Exported& exported, const std::filesystem::path& path);
};

// Throws ConfigError for an unknown name.
const ExportFormat& export_format(const std::string& name);
// "safetensors (packed codes …), …", for help.
std::string export_format_summary();

}  // namespace bitsweep::cli
