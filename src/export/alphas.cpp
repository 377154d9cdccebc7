#include "export/alphas.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace bitsweep::exporting {

nlohmann::json alphas_of(const SafetensorsFile& file) {
  const auto text = file.metadata().find(kAlphaMetadata);
  if (text == file.metadata().end()) return nlohmann::json::object();
  const auto alphas = nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false);
  const auto is_alpha = [](const nlohmann::json& value) {
    return value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() != 0;
  };
  if (!alphas.is_object() || !std::all_of(alphas.begin(), alphas.end(), is_alpha)) {
    throw DataError(
        fmt::format("{}: metadata '{}' is {}; expected an object of finite numbers that "
                    "are not 0, by node",
                    file.path().string(), kAlphaMetadata, text->second.substr(0, 100)));
  }
  return alphas;
}

bool holds_steps(const SafetensorsFile& file) {
  const auto kind = file.metadata().find(kAlphaKindMetadata);
  return kind != file.metadata().end() && kind->second == kStepKind;
}

}  // namespace bitsweep::exporting
