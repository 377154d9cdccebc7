// A safetensors file that says what it is: one JSON document in its metadata, with SHA-256 of the
// document and, inside it, of every tensor, so that no bit of the file can change unseen.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "export/safetensors.h"
#include "export/tensor_bag.h"

namespace bitsweep::exporting {

struct DocumentKind {
  std::string_view entry;  // of the metadata; its digest stands under entry + ".sha256"
  int version;             // "schema_version" of the document
  std::string_view what;   // "exported network", for messages
};

// document: an object; gets "schema_version" and "sha256" (tensor name → digest over its type,
// shape and bytes). The same content gives the same bytes. Throws EnvironmentError.
void write_checked(const std::filesystem::path& path, const TensorBag& tensors,
                   nlohmann::json document, const DocumentKind& kind);

// The document of a file whose every tensor is what it was. Throws DataError with file, place and
// reason: it is no such file, of another version, damaged (which bytes), or lacks a tensor.
nlohmann::json checked_document(const SafetensorsFile& file, const DocumentKind& kind);

}  // namespace bitsweep::exporting
