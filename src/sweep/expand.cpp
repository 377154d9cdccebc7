#include "sweep/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/schema.h"
#include "core/error.h"
#include "core/text.h"
#include "sweep/condition.h"

namespace bitsweep::sweep {
namespace {

constexpr int kCollapsed = -1;

// An axis, ready to be walked.
struct BoundAxis {
  const Axis* axis = nullptr;
  std::vector<std::size_t> columns;
  std::vector<std::string>
      texts;  // of each point, in trial names: "weight.bits=4,activation.bits=8"
  std::optional<BoundCondition> when;
  std::vector<config::Assignment> unset;  // all its keys, for a collapsed axis
  bool was_active = false;
};

struct BoundExclusion {
  const Exclusion* exclusion = nullptr;
  BoundCondition condition;
  bool has_held = false;
};

BoundAxis bind_axis(const Axis& axis, std::size_t position, const std::vector<Column>& columns) {
  BoundAxis out;
  out.axis = &axis;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].axis == position) out.columns.push_back(c);
  }
  for (const AxisPoint& point : axis.points) {
    std::vector<std::string> parts;
    for (const std::size_t c : out.columns) {
      parts.push_back(
          fmt::format("{}={}", columns[c].label, name_text(shown_value(point, columns[c]))));
    }
    out.texts.push_back(join(parts, ","));
  }
  if (!axis.when) return out;
  out.when.emplace(*axis.when, columns);
  for (const config::KeyIndex key : axis.keys) {
    out.unset.push_back(config::assignment(config::schema()[key].name, {}, axis.when->place));
  }
  return out;
}

// Whether the condition of `axis` reads what `other` decides.
bool waits_for(const BoundAxis& axis, const BoundAxis& other) {
  if (!axis.when || &axis == &other) return false;
  const auto reads_key = [&](config::KeyIndex key) { return axis.when->reads_key(key); };
  const auto reads_column = [&](std::size_t column) { return axis.when->reads_column(column); };
  return std::any_of(other.axis->keys.begin(), other.axis->keys.end(), reads_key) ||
         std::any_of(other.columns.begin(), other.columns.end(), reads_column);
}

// Positions of `axes` such that each comes after those its condition reads; otherwise file order.
std::vector<std::size_t> walking_order(const std::vector<BoundAxis>& axes) {
  std::vector<std::size_t> order;
  std::vector<bool> is_placed(axes.size(), false);
  while (order.size() < axes.size()) {
    const std::size_t before = order.size();
    for (std::size_t i = 0; i < axes.size() && order.size() == before; ++i) {
      bool is_ready = !is_placed[i];
      for (std::size_t j = 0; j < axes.size() && is_ready; ++j) {
        is_ready = is_placed[j] || !waits_for(axes[i], axes[j]);
      }
      if (!is_ready) continue;
      is_placed[i] = true;
      order.push_back(i);
    }
    if (order.size() > before) continue;
    const auto stuck = std::find(is_placed.begin(), is_placed.end(), false) - is_placed.begin();
    const Axis& axis = *axes[static_cast<std::size_t>(stuck)].axis;
    throw ConfigError(fmt::format("{}: `when` of {} waits for an axis that waits for it",
                                  axis.when->place, title(axis)));
  }
  return order;
}

class Product {
 public:
  Product(const SweepFile& sweep, Expansion& out) : sweep_(sweep), out_(out) {
    for (std::size_t i = 0; i < sweep.axes.size(); ++i) {
      axes_.push_back(bind_axis(sweep.axes[i], i, out.columns));
    }
    order_ = walking_order(axes_);
    for (const Exclusion& exclusion : sweep.exclusions) {
      exclusions_.push_back({&exclusion, BoundCondition(exclusion.condition, out.columns)});
    }
    seeds_ = sweep.seeds;
    if (seeds_.empty()) seeds_ = {std::get<std::int64_t>(sweep.trial.get("seed"))};
    for (const std::int64_t seed : seeds_) {
      seed_assignments_.push_back(config::assignment("seed", seed, "[seeds]"));
    }
    check_size();
  }

  void run() {
    choice_.assign(axes_.size(), kCollapsed);
    axis_values_.assign(out_.columns.size(), {});
    descend(0, sweep_.trial);
    restore_file_order();
    for (const Inclusion& inclusion : sweep_.inclusions) include(inclusion);
    for (const ReadyPoint& ready : sweep_.ready) emit_outside(ready.name, ready.settings);
    lint();
  }

 private:
  void check_size() const {
    double points = static_cast<double>(seeds_.size());
    for (const BoundAxis& axis : axes_) points *= static_cast<double>(axis.axis->points.size());
    if (points <= kMaxPoints) return;
    throw ConfigError(
        fmt::format("{}: the product of the axes and seeds has {:.0f} points; at most "
                    "{:.0f} are planned at once",
                    sweep_.path.string(), points, kMaxPoints));
  }

  void descend(std::size_t depth, const config::Settings& settings) {
    if (depth == order_.size()) {
      const std::string group = group_name();
      for (std::size_t s = 0; s < seeds_.size(); ++s) emit(group, s, settings);
      return;
    }
    const std::size_t position = order_[depth];
    BoundAxis& axis = axes_[position];
    if (axis.when && !axis.when->holds(settings, axis_values_, sweep_.name)) {
      config::Settings collapsed = settings;
      for (const config::Assignment& unset : axis.unset) collapsed.apply(unset);
      descend(depth + 1, collapsed);
      return;
    }
    axis.was_active = true;
    for (std::size_t p = 0; p < axis.axis->points.size(); ++p) {
      const AxisPoint& point = axis.axis->points[p];
      config::Settings next = settings;
      for (const config::Assignment& set : point.set) next.apply(set);
      for (const std::size_t c : axis.columns) {
        axis_values_[c] = shown_value(point, out_.columns[c]);
      }
      choice_[position] = static_cast<int>(p);
      descend(depth + 1, next);
    }
    choice_[position] = kCollapsed;
    for (const std::size_t c : axis.columns) axis_values_[c] = {};
  }

  std::string group_name() const {
    std::string name = sweep_.name;
    char separator = '/';
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (choice_[i] == kCollapsed) continue;
      name += separator;
      name += axes_[i].texts[static_cast<std::size_t>(choice_[i])];
      separator = ',';
    }
    return name;
  }

  std::string trial_name(const std::string& group, std::int64_t seed) const {
    if (seeds_.size() == 1) return group;
    return fmt::format("{}{}seed={}", group, group == sweep_.name ? '/' : ',', seed);
  }

  void emit(const std::string& group, std::size_t seed, const config::Settings& settings) {
    Point point{trial_name(group, seeds_[seed]), group, axis_values_, seeds_[seed], settings};
    point.settings.apply(seed_assignments_[seed]);
    const Exclusion* by = nullptr;
    for (BoundExclusion& exclusion : exclusions_) {
      if (!exclusion.condition.holds(point.settings, point.axis_values, point.name)) continue;
      exclusion.has_held = true;
      if (by == nullptr) by = exclusion.exclusion;
    }
    if (by == nullptr) {
      order_points_.push_back(choice_);
      out_.points.push_back(std::move(point));
      return;
    }
    order_skipped_.push_back(choice_);
    out_.skipped.push_back({std::move(point.name), std::move(point.axis_values), point.seed,
                            by->reason, by->condition.place});
  }

  void include(const Inclusion& inclusion) {
    config::Settings settings = sweep_.trial;
    for (const config::Assignment& set : inclusion.set) settings.apply(set);
    emit_outside(inclusion.name, settings);
  }

  void emit_outside(const std::string& name, const config::Settings& settings) {
    const std::string group = fmt::format("{}/{}", sweep_.name, name);
    for (std::size_t s = 0; s < seeds_.size(); ++s) {
      Point point{trial_name(group, seeds_[s]), group,
                  std::vector<config::Value>(out_.columns.size()), seeds_[s], settings};
      point.settings.apply(seed_assignments_[s]);
      out_.points.push_back(std::move(point));
    }
  }

  // Conditional axes may have been walked out of turn.
  void restore_file_order() {
    if (std::is_sorted(order_.begin(), order_.end())) return;
    sort_by(order_points_, out_.points);
    sort_by(order_skipped_, out_.skipped);
  }

  template <typename T>
  static void sort_by(const std::vector<std::vector<int>>& choices, std::vector<T>& items) {
    std::vector<std::size_t> order(items.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return choices[a] < choices[b]; });
    std::vector<T> sorted;
    sorted.reserve(items.size());
    for (const std::size_t i : order) sorted.push_back(std::move(items[i]));
    items = std::move(sorted);
  }

  void lint() const {
    for (const BoundAxis& axis : axes_) {
      if (axis.was_active) continue;
      out_.lints.push_back({"when_never_matches",
                            fmt::format("{}: `when` of {} never holds, so it never varies anything",
                                        axis.axis->when->place, title(*axis.axis))});
    }
    for (const BoundExclusion& exclusion : exclusions_) {
      if (exclusion.has_held) continue;
      out_.lints.push_back(
          {"exclude_never_matches", fmt::format("{}: the [[exclude]] '{}' matches no point",
                                                exclusion.exclusion->condition.place,
                                                exclusion.exclusion->condition.expression.text())});
    }
  }

  const SweepFile& sweep_;
  Expansion& out_;
  std::vector<BoundAxis> axes_;
  std::vector<std::size_t> order_;
  std::vector<BoundExclusion> exclusions_;
  std::vector<std::int64_t> seeds_;
  std::vector<config::Assignment> seed_assignments_;

  // Where the walk stands.
  std::vector<int> choice_;  // by axis: position of its point, or kCollapsed
  std::vector<config::Value> axis_values_;
  // Choices of the emitted points, for file order.
  std::vector<std::vector<int>> order_points_;
  std::vector<std::vector<int>> order_skipped_;
};

}  // namespace

Expansion expand(const SweepFile& sweep) {
  Expansion out;
  out.columns = columns_of(sweep);
  Product(sweep, out).run();
  return out;
}

}  // namespace bitsweep::sweep
