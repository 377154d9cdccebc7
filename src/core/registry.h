// A family of named things (models, quantizers, reports, commands …): one file and one word in the
// word list of the family's meson.build each. Meson generates the function that calls every file's
// register function (src/registry.cpp.in); there is no static-initializer magic.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/text.h"

namespace bitsweep {

// T has at least `std::string name` and `std::string summary` (one line for `bitsweep list`).
template <typename T>
class Registry {
 public:
  explicit Registry(std::string what) : what_(std::move(what)) {}

  void add(T entry) {
    BITSWEEP_CHECK(find(entry.name) == nullptr, "{} '{}' is registered twice", what_, entry.name);
    entries_.push_back(std::move(entry));
  }

  const T* find(std::string_view name) const {
    const auto it = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const T& entry) { return entry.name == name; });
    return it == entries_.end() ? nullptr : &*it;
  }

  // Throws ConfigError with the known names and the nearest one.
  const T& get(std::string_view name) const {
    if (const T* entry = find(name)) return *entry;
    throw ConfigError(unknown_name_message(what_, name, names()));
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const T& entry : entries_) out.push_back(entry.name);
    return out;
  }

  const std::vector<T>& entries() const { return entries_; }
  const std::string& what() const { return what_; }

 private:
  std::string what_;
  std::vector<T> entries_;
};

}  // namespace bitsweep
