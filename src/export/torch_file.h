// State dictionaries that PyTorch saved (.pth, .pt, .th), in the format of zip files and in the one
// before version 1.6. No code is run: export/pickle.h.
#pragma once

#include <filesystem>

#include "export/safetensors.h"

namespace bitsweep::exporting {

// The tensors of a state dictionary, or of one under "state_dict" in a checkpoint. Throws DataError
// with the file, the part of it and the byte offset for a cut or changed file, a pickle with
// anything but tensors in dictionaries, tensors beyond their storage.
SafetensorsFile read_torch_file(const std::filesystem::path& path);

// A weight file by its extension: .pth, .pt and .th are PyTorch's, all others must be safetensors.
// Throws DataError.
SafetensorsFile read_weight_file(const std::filesystem::path& path);

}  // namespace bitsweep::exporting
