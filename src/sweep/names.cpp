#include "sweep/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "config/schema.h"
#include "core/text.h"

namespace bitsweep::sweep {
namespace {

// Columns of a trial's row besides axes and configuration keys (interface of `query`).
constexpr std::array<std::string_view, 27> kResultNames = {"activation_bits_average",
                                                           "attempt",
                                                           "bops",
                                                           "bytes",
                                                           "canonical",
                                                           "correct",
                                                           "device",
                                                           "failure_class",
                                                           "group",
                                                           "images",
                                                           "images_per_second",
                                                           "key",
                                                           "loss",
                                                           "macs",
                                                           "message",
                                                           "name",
                                                           "needs",
                                                           "parameters",
                                                           "peak_memory_bytes",
                                                           "seconds",
                                                           "started",
                                                           "status",
                                                           "sweep",
                                                           "top1",
                                                           "top1_batch_mean",
                                                           "top5",
                                                           "weight_bits_average"};

// The last `parts` components of a dotted key.
std::string_view tail(std::string_view key, int parts) {
  auto begin = key.size();
  for (; parts > 0; --parts) {
    if (begin == 0) return key;
    const auto dot = key.rfind('.', begin - 1);
    if (dot == std::string_view::npos) return key;
    begin = dot;
  }
  return key.substr(begin + 1);
}

}  // namespace

bool is_reserved(std::string_view name) {
  return std::find(kResultNames.begin(), kResultNames.end(), name) != kResultNames.end();
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && std::isalnum(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string name_text(const config::Value& value) {
  const auto* list = value.as<config::List>();
  if (list == nullptr) return config::format_bare(value);
  std::vector<std::string> parts;
  for (const config::Value& element : *list) parts.push_back(name_text(element));
  return join(parts, ":");
}

std::string title(const Axis& axis) {
  if (!axis.name.empty()) return fmt::format("axis '{}'", axis.name);
  std::vector<std::string> keys;
  for (const config::KeyIndex key : axis.keys) keys.push_back(config::schema()[key].name);
  return fmt::format("the axis over {}", join(keys, ", "));
}

std::vector<Column> columns_of(const SweepFile& sweep) {
  std::vector<Column> columns;
  std::vector<std::string> full;  // the key that an unnamed column shows; "" for named ones
  for (std::size_t i = 0; i < sweep.axes.size(); ++i) {
    const Axis& axis = sweep.axes[i];
    if (!axis.name.empty()) {
      columns.push_back({.label = axis.name, .axis = i, .is_named = true});
      full.emplace_back();
      continue;
    }
    for (std::size_t k = 0; k < axis.keys.size(); ++k) {
      columns.push_back(
          {.label = "", .axis = i, .key = axis.form == AxisForm::rows ? static_cast<int>(k) : -1});
      full.push_back(config::schema()[axis.keys[k]].name);
    }
  }
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (full[c].empty()) continue;
    const auto is_taken = [&](std::string_view label) {
      if (is_reserved(label)) return true;
      for (std::size_t other = 0; other < columns.size(); ++other) {
        if (other == c) continue;
        if (full[other].empty()
                ? columns[other].label == label
                : full[other] == label || full[other].ends_with(fmt::format(".{}", label))) {
          return true;
        }
      }
      return false;
    };
    std::string_view label;
    for (int parts = 1; label != full[c]; ++parts) {
      label = tail(full[c], parts);
      if (!is_taken(label)) break;
    }
    columns[c].label = label;
  }
  return columns;
}

const config::Value& shown_value(const AxisPoint& point, const Column& column) {
  return column.key < 0 ? point.value : point.set[static_cast<std::size_t>(column.key)].value;
}

std::vector<std::string> condition_names(const std::vector<Axis>& axes) {
  std::vector<std::string> names = config::key_names();
  for (const Axis& axis : axes) {
    if (!axis.name.empty()) names.push_back(axis.name);
  }
  names.emplace_back("name");
  return names;
}

std::span<const std::string_view> result_names() { return kResultNames; }

bool Axis::sets(config::KeyIndex key) const {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace bitsweep::sweep
