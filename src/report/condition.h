// An expression over trial rows: `where` of claims and tables, `requires` of claims.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "config/expression.h"

namespace bitsweep::report {

class Condition {
 public:
  // "" holds for every row. Throws ConfigError with `place`.
  Condition(const std::string& text, const std::string& place) {
    if (!text.empty()) expression_ = config::Expression::parse(text, place);
  }
  // A name that the row does not have is unset.
  bool holds(const nlohmann::json& row) const {
    return !expression_ || expression_->evaluate([&](std::string_view name) {
      const auto it = row.find(std::string(name));
      return it == row.end() ? config::Value() : config::value_from_json(*it);
    });
  }

 private:
  std::optional<config::Expression> expression_;
};

}  // namespace bitsweep::report
