#include "export/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "data/archive_file.h"
#include "export/pickle.h"

namespace bitsweep::exporting {
namespace {

namespace fs = std::filesystem;
using data::ArchiveFile;
using data::ArchiveFormat;

constexpr std::uint64_t kMaxFile = 16ull << 30;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw DataError(fmt::format("{}: {}", where, what));
}

// The pickle at the beginning of `bytes`; `where` names it.
Pickle pickle_in(std::span<const std::byte> bytes, const std::string& where, std::size_t base = 0) {
  try {
    return read_pickle(bytes, base);
  } catch (const DataError& error) {
    refuse(where, error.what());
  }
}

// The tensors of a pickle, by name.
class Dictionary {
 public:
  Dictionary(const Pickle& pickle, const std::string& where, std::uint64_t file_bytes)
      : where_(where) {
    const PickledValue* top = &pickle.values[pickle.top];
    if (const PickledValue* nested = pickle.find(*top, "state_dict")) top = nested;
    const auto* items = std::get_if<PickledDict>(top);
    if (items == nullptr) refuse(where, "holds no dictionary of tensors");
    std::uint64_t bytes = 0;
    std::set<std::string> names;
    for (const auto& [key, value] : items->items) {
      const auto* name = std::get_if<std::string>(&pickle.values[key]);
      if (name == nullptr) refuse(where, "a key of the dictionary is no string");
      const auto* tensor = std::get_if<PickledTensor>(&pickle.values[value]);
      if (tensor == nullptr) {
        refuse(where, fmt::format("'{}' is no tensor; expected a state dictionary, or one under "
                                  "\"state_dict\"",
                                  *name));
      }
      if (!names.insert(*name).second) refuse(where, fmt::format("'{}' is there twice", *name));
      bytes += add(*name, *tensor, file_bytes);
      // Tensors may share a storage, but not so that a small file becomes a large one.
      if (bytes > 2 * file_bytes) refuse(where, "its tensors are larger than the file");
    }
    if (infos.empty()) refuse(where, "the dictionary of tensors is empty");
  }

  std::vector<TensorInfo> infos;
  std::vector<PickledTensor> tensors;  // of each info

 private:
  std::uint64_t add(const std::string& name, const PickledTensor& tensor,
                    std::uint64_t file_bytes) {
    const PickledStorage& storage = tensor.storage;
    const auto complain = [&](const char* what) {
      refuse(where_,
             fmt::format("tensor '{}' [{}], strides [{}], offset {}, in a storage of {}: {}", name,
                         fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "),
                         tensor.offset, storage.elements, what));
    };
    const auto most = static_cast<std::int64_t>(file_bytes / dtype_bytes(storage.dtype));
    if (storage.elements < 0 || storage.elements > most) complain("the file is smaller");
    if (tensor.strides.size() != tensor.shape.size()) complain("one stride a dimension expected");
    std::int64_t elements = 1;
    std::int64_t last = tensor.offset;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      const std::int64_t size = tensor.shape[d];
      const std::int64_t stride = tensor.strides[d];
      std::int64_t reach = 0;
      if (size < 0 || stride < 0 || __builtin_mul_overflow(elements, size, &elements) ||
          __builtin_mul_overflow(std::max<std::int64_t>(size - 1, 0), stride, &reach) ||
          __builtin_add_overflow(last, reach, &last)) {
        complain("no possible shape");
      }
    }
    if (tensor.offset < 0 || elements > storage.elements ||
        (elements > 0 && last >= storage.elements)) {
      complain("it lies beyond its storage");
    }
    infos.push_back({name, storage.dtype, tensor.shape, 0, 0});
    tensors.push_back(tensor);
    return static_cast<std::uint64_t>(elements) * dtype_bytes(storage.dtype);
  }

  std::string where_;
};

// The tensor's elements, row-major, from its storage.
void gather(const PickledTensor& tensor, std::span<const std::byte> storage,
            std::span<std::byte> out) {
  const std::size_t size = dtype_bytes(tensor.storage.dtype);
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t at = tensor.offset;
  for (std::size_t to = 0; to < out.size(); to += size) {
    std::memcpy(out.data() + to, storage.data() + static_cast<std::size_t>(at) * size, size);
    for (std::size_t d = index.size(); d > 0; --d) {
      at += tensor.strides[d - 1];
      if (++index[d - 1] < tensor.shape[d - 1]) break;
      at -= tensor.strides[d - 1] * tensor.shape[d - 1];
      index[d - 1] = 0;
    }
  }
}

// Fills tensors as their storages come.
class Filler {
 public:
  Filler(const Dictionary& dictionary, const fs::path& path)
      : dictionary_(dictionary), file_(SafetensorsFile::with_room_for(dictionary.infos, path)) {
    for (const PickledTensor& tensor : dictionary.tensors) missing_.insert(tensor.storage.key);
  }

  bool needs(const std::string& key) const { return missing_.contains(key); }

  // `where` names the place of the bytes in the file.
  void fill(const std::string& key, std::span<const std::byte> bytes, const std::string& where) {
    for (std::size_t i = 0; i < dictionary_.tensors.size(); ++i) {
      const PickledTensor& tensor = dictionary_.tensors[i];
      if (tensor.storage.key != key) continue;
      const std::size_t expected =
          static_cast<std::size_t>(tensor.storage.elements) * dtype_bytes(tensor.storage.dtype);
      if (bytes.size() != expected) {
        refuse(where, fmt::format("storage '{}' has {} bytes, tensor '{}' says {}", key,
                                  bytes.size(), dictionary_.infos[i].name, expected));
      }
      gather(tensor, bytes, file_.mutable_bytes(file_.tensors()[i]));
    }
    missing_.erase(key);
  }

  SafetensorsFile finish(const std::string& where) {
    if (!missing_.empty()) {
      refuse(where,
             fmt::format("lacks storage '{}' ({} missing)", *missing_.begin(), missing_.size()));
    }
    return std::move(file_);
  }

 private:
  const Dictionary& dictionary_;
  SafetensorsFile file_;
  std::set<std::string> missing_;
};

// A zip: <name>/data.pkl, <name>/byteorder, <name>/data/<key>; each with its checksum.
SafetensorsFile read_zip(const fs::path& path) {
  const std::uint64_t file_bytes = fs::file_size(path);
  constexpr std::string_view kPickle = "/data.pkl";
  std::string prefix;
  std::vector<std::byte> pickled;
  ArchiveFile contents(path, ArchiveFormat::zip);
  while (const auto entry = contents.next()) {
    if (entry->name.ends_with(kPickle) && prefix.empty()) {
      prefix = entry->name.substr(0, entry->name.size() - kPickle.size() + 1);
      pickled = contents.read(file_bytes);
    } else if (entry->name.ends_with("/byteorder")) {
      const std::vector<std::byte> order = contents.read(file_bytes);
      if (order.empty() || order[0] != std::byte{'l'}) {
        refuse(path.string(), "its numbers are not little-endian");
      }
    }
  }
  if (prefix.empty()) refuse(path.string(), "is a zip without data.pkl: PyTorch did not save it");
  const std::string where = fmt::format("{} ({}data.pkl)", path.string(), prefix);
  const Dictionary dictionary(pickle_in(pickled, where), where, file_bytes);
  Filler filler(dictionary, path);
  ArchiveFile storages(path, ArchiveFormat::zip);
  while (const auto entry = storages.next()) {
    const std::string head = prefix + "data/";
    if (!entry->name.starts_with(head)) continue;
    const std::string key = entry->name.substr(head.size());
    if (!filler.needs(key)) continue;
    filler.fill(key, storages.read(file_bytes), fmt::format("{} ({})", path.string(), entry->name));
  }
  return filler.finish(path.string());
}

// Before PyTorch 1.6: pickles of a magic number, the protocol, the machine, the dictionary and the
// keys of the storages, then each storage behind its number of elements.
SafetensorsFile read_legacy(const fs::path& path) {
  constexpr auto kMagic = static_cast<std::int64_t>(0xa86a20f9469cfc6c);  // lowest 64 bits of 80
  constexpr std::int64_t kProtocol = 1001;
  const std::vector<std::byte> content = read_binary_file(path, kMaxFile);
  const std::string where = path.string();
  std::size_t at = 0;
  const auto next = [&] {
    Pickle pickle = pickle_in(std::span(content).subspan(at), where, at);
    at += pickle.size;
    return pickle;
  };
  const auto is_number = [](const Pickle& pickle, std::int64_t expected) {
    const auto* number = std::get_if<std::int64_t>(&pickle.values[pickle.top]);
    return number != nullptr && *number == expected;
  };
  if (!is_number(next(), kMagic) || !is_number(next(), kProtocol)) {
    refuse(where, "is a pickle that PyTorch did not save");
  }
  const Pickle machine = next();
  const PickledValue* little = machine.find(machine.values[machine.top], "little_endian");
  if (little == nullptr || std::get_if<bool>(little) == nullptr || !std::get<bool>(*little)) {
    refuse(where, "its numbers are not little-endian");
  }
  const Pickle saved = next();
  const Dictionary dictionary(saved, where, content.size());
  std::map<std::string, PickledStorage> storages;  // those of an optimizer, too
  for (const PickledValue& value : saved.values) {
    const auto* storage = std::get_if<PickledStorage>(&value);
    if (storage != nullptr) storages.emplace(storage->key, *storage);
  }
  Filler filler(dictionary, path);
  const Pickle keys = next();
  const auto* list = std::get_if<PickledList>(&keys.values[keys.top]);
  if (list == nullptr) refuse(where, fmt::format("offset {}: expected a list of storages", at));
  for (const PickleRef item : list->items) {
    const auto* key = std::get_if<std::string>(&keys.values[item]);
    const auto storage = key == nullptr ? storages.end() : storages.find(*key);
    if (storage == storages.end()) {
      refuse(where, fmt::format("offset {}: a storage that no tensor lies in", at));
    }
    const auto& [elements, dtype] = std::pair(storage->second.elements, storage->second.dtype);
    const std::size_t room = content.size() - at;
    const auto most = static_cast<std::int64_t>(room / dtype_bytes(dtype));
    std::int64_t stated = 0;
    if (room < sizeof stated || elements < 0 || elements > most ||
        static_cast<std::size_t>(elements) * dtype_bytes(dtype) > room - sizeof stated) {
      refuse(where, fmt::format("offset {}: storage '{}' is cut short", at, *key));
    }
    std::memcpy(&stated, content.data() + at, sizeof stated);
    if (stated != elements) {
      refuse(where, fmt::format("offset {}: storage '{}' has {} elements, expected {}", at, *key,
                                stated, elements));
    }
    at += sizeof stated;
    const std::size_t bytes = static_cast<std::size_t>(elements) * dtype_bytes(dtype);
    filler.fill(*key, std::span(content).subspan(at, bytes),
                fmt::format("{}: offset {}", where, at));
    at += bytes;
  }
  if (at != content.size()) {
    refuse(where,
           fmt::format("offset {}: {} bytes after the last storage", at, content.size() - at));
  }
  return filler.finish(where);
}

bool is_zip(const fs::path& path) {
  char head[4] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  return std::string_view(head, sizeof head) == "PK\x03\x04";
}

}  // namespace

SafetensorsFile read_torch_file(const fs::path& path) {
  return is_zip(path) ? read_zip(path) : read_legacy(path);
}

SafetensorsFile read_weight_file(const fs::path& path) {
  constexpr std::array kTorch = {".pth", ".pt", ".th"};
  const bool torch = std::ranges::find(kTorch, path.extension().string()) != kTorch.end();
  return torch ? read_torch_file(path) : SafetensorsFile::read(path);
}

}  // namespace bitsweep::exporting
