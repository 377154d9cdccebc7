#include "run/task.h"

#include <string_view>

namespace bitsweep::run {

std::string evaluation_of(const Task& task) {
  if (task.settings.value("kind", "") != "ptq") return "";
  nlohmann::json same = {{"paths", task.paths}, {"waits_for", task.waits_for}};
  for (const auto& [key, value] : task.settings.items()) {
    for (const std::string_view table : {"model.", "data.", "eval."}) {
      if (key.starts_with(table)) same[key] = value;
    }
  }
  return same.dump();
}

}  // namespace bitsweep::run
