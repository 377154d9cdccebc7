#include "sweep/condition.h"

#include <algorithm>

#include "config/schema.h"

namespace bitsweep::sweep {

BoundCondition::BoundCondition(const Condition& condition, const std::vector<Column>& columns)
    : condition_(&condition) {
  for (const std::string& name : condition.expression.names()) {
    const auto column = std::find_if(columns.begin(), columns.end(), [&](const Column& c) {
      return c.is_named && c.label == name;
    });
    if (column != columns.end()) {
      names_.push_back({Source::column, static_cast<std::size_t>(column - columns.begin())});
    } else if (name == "name") {
      names_.push_back({Source::name});
    } else if (const auto key = config::find_key(name)) {
      names_.push_back({Source::key, *key});
    } else {
      names_.push_back({Source::nothing});  // an axis that the command line removed
    }
  }
}

bool BoundCondition::holds(const config::Settings& settings,
                           std::span<const config::Value> axis_values,
                           const std::string& name) const {
  const config::Value name_value = name;
  std::vector<const config::Value*> values(names_.size());
  for (std::size_t i = 0; i < names_.size(); ++i) {
    switch (names_[i].source) {
      case Source::column:
        values[i] = &axis_values[names_[i].position];
        break;
      case Source::key:
        values[i] = &settings.get(names_[i].position);
        break;
      case Source::name:
        values[i] = &name_value;
        break;
      case Source::nothing:
        values[i] = nullptr;
        break;
    }
  }
  return condition_->expression.evaluate(values);
}

bool BoundCondition::reads_column(std::size_t column) const {
  return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
    return name.source == Source::column && name.position == column;
  });
}

bool BoundCondition::reads_key(config::KeyIndex key) const {
  return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
    return name.source == Source::key && name.position == key;
  });
}

}  // namespace bitsweep::sweep
