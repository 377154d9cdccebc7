#include "export/checked_document.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"

namespace bitsweep::exporting {
namespace {

using nlohmann::json;

std::string digest_entry(const DocumentKind& kind) { return std::string(kind.entry) + ".sha256"; }

// Over the type, the shape and the bytes: what a tensor is, wherever it lies.
std::string digest(DType dtype, std::span<const std::int64_t> shape,
                   std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(fmt::format("{} {}\n", dtype_name(dtype), fmt::join(shape, ",")));
  hash.update(bytes);
  return hash.hex();
}

class Checker {
 public:
  Checker(const SafetensorsFile& file, const DocumentKind& kind) : file_(file), kind_(kind) {}

  json run() const {
    const std::string& text = entry(std::string(kind_.entry));
    if (sha256_hex(text) != entry(digest_entry(kind_))) {
      refuse("is damaged within its header, bytes 8 to {}: '{}' does not match its SHA-256",
             file_.data_begin(), kind_.entry);
    }
    json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!document.is_object()) refuse("'{}' is no JSON object", kind_.entry);
    const auto version = document.find("schema_version");
    if (version == document.end() || *version != kind_.version) {
      refuse("has schema_version {}; this bitsweep reads {}",
             version == document.end() ? "none" : version->dump(), kind_.version);
    }
    const auto digests = document.find("sha256");
    if (digests == document.end() || !digests->is_object()) refuse("lists no SHA-256 of tensors");
    check_digests(*digests);
    return document;
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(fmt::format("{}: {}", file_.path().string(),
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  const std::string& entry(const std::string& name) const {
    const auto found = file_.metadata().find(name);
    if (found == file_.metadata().end()) {
      refuse("is no {}: its metadata lacks '{}'", kind_.what, name);
    }
    return found->second;
  }

  void check_digests(const json& digests) const {
    for (const TensorInfo& tensor : file_.tensors()) {
      const auto found = digests.find(tensor.name);
      if (found == digests.end()) refuse("has tensor '{}', which it does not list", tensor.name);
      if (digest(tensor.dtype, tensor.shape, file_.bytes(tensor)) != *found) {
        refuse("is damaged within tensor '{}', bytes {} to {}: they do not match their SHA-256",
               tensor.name, file_.data_begin() + tensor.begin, file_.data_begin() + tensor.end);
      }
    }
    for (const auto& [name, value] : digests.items()) {
      if (file_.find(name) == nullptr) refuse("lacks tensor '{}', which it lists", name);
    }
  }

  const SafetensorsFile& file_;
  const DocumentKind& kind_;
};

}  // namespace

void write_checked(const std::filesystem::path& path, const TensorBag& tensors, json document,
                   const DocumentKind& kind) {
  json digests = json::object();
  for (const TensorData& tensor : tensors.tensors()) {
    digests[tensor.name] = digest(tensor.dtype, tensor.shape, tensor.bytes);
  }
  document["schema_version"] = kind.version;
  document["sha256"] = std::move(digests);
  const std::string text = document.dump();
  write_safetensors(path, tensors.tensors(),
                    {{std::string(kind.entry), text}, {digest_entry(kind), sha256_hex(text)}});
}

json checked_document(const SafetensorsFile& file, const DocumentKind& kind) {
  return Checker(file, kind).run();
}

}  // namespace bitsweep::exporting
