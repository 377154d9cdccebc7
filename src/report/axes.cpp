#include "report/axes.h"

#include <algorithm>
#include <map>
#include <set>

namespace bitsweep::report {
namespace {

// The same answers as top1, averaged as document 002 did: for claims and tables that name it.
bool is_batch_mean(std::string_view metric) { return metric.ends_with("top1_batch_mean"); }

}  // namespace

std::vector<std::string> accuracy_metrics(const std::vector<Group>& groups) {
  std::set<std::pair<bool, std::string>> found;
  for (const Group& group : groups) {
    for (const Run* run : group.successful()) {
      for (const auto& [name, value] : run->shown()->finals.items()) {
        const bool is_top5 = name.size() >= 4 && name.substr(name.size() - 4) == "top5";
        if (metric_kind(name) != MetricKind::accuracy || is_batch_mean(name)) continue;
        found.emplace(is_top5, name);
      }
    }
  }
  std::vector<std::string> out;
  for (const auto& [is_top5, name] : found) out.push_back(name);
  return out;
}

std::vector<std::string> varying_axes(const std::vector<Group>& groups) {
  std::vector<std::string> labels;
  std::map<std::string, std::set<std::string>> values;
  for (const Group& group : groups) {
    for (const auto& [label, value] : group.axes) {
      if (values[label].empty()) labels.push_back(label);
      values[label].insert(value.dump());
    }
  }
  std::erase_if(labels, [&](const std::string& label) { return values[label].size() < 2; });
  return labels;
}

std::vector<std::string> undecided_axes(const std::vector<const Group*>& groups,
                                        const std::vector<std::string>& axes,
                                        const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& axis : axes) {
    std::map<std::string, nlohmann::json> decided;  // what the names say → the axis
    const bool is_decided = std::all_of(groups.begin(), groups.end(), [&](const Group* group) {
      const nlohmann::json value = group->value_of(axis);
      const std::string key = nlohmann::json(values_of(*group, names)).dump();
      return decided.try_emplace(key, value).first->second == value;
    });
    if (!is_decided) out.push_back(axis);
  }
  return out;
}

bool is_outside_product(const Group& group, const std::vector<std::string>& axes) {
  return std::all_of(axes.begin(), axes.end(), [&](const std::string& axis) {
    return std::none_of(group.axes.begin(), group.axes.end(), [&](const auto& item) {
      return item.first == axis && !item.second.is_null();
    });
  });
}

Values values_of(const Group& group, const std::vector<std::string>& names) {
  Values out;
  for (const std::string& name : names) out.push_back(group.value_of(name));
  return out;
}

}  // namespace bitsweep::report
