#include "export/float_file.h"

#include "export/weights.h"

namespace bitsweep::exporting {

void write_fake_quantized(const std::filesystem::path& path, const QuantizedNetwork& network) {
  save_weights(path, network.parameters,
               {{"bitsweep.trial", network.key}, {"bitsweep.values", "fake-quantized"}});
}

}  // namespace bitsweep::exporting
