// Conditions of a sweep file (`if`, `when`, `where`) bound to the columns of its points, so that
// evaluating one looks nothing up by name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/settings.h"
#include "sweep/names.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

class BoundCondition {
 public:
  // Reading has checked the names; one that is known no more belongs to an axis that the command
  // line removed, and is unset. `condition` must outlive this.
  BoundCondition(const Condition& condition, const std::vector<Column>& columns);

  // `axis_values`: one a column, unset where the axis has none here. Throws ConfigError with the
  // condition's place.
  bool holds(const config::Settings& settings, std::span<const config::Value> axis_values,
             const std::string& name) const;

  // Columns and keys that the condition reads.
  bool reads_column(std::size_t column) const;
  bool reads_key(config::KeyIndex key) const;

 private:
  enum class Source { column, key, name, nothing };
  struct Name {
    Source source;
    std::size_t position = 0;  // of the column or key
  };
  const Condition* condition_;
  std::vector<Name> names_;
};

}  // namespace bitsweep::sweep
