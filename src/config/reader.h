// Typed reading of settings, for the files behind config/trial.h. The table of keys guarantees the
// types asked for here: another one is a programmer's mistake.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "core/check.h"

namespace bitsweep::config {

class Reader {
 public:
  explicit Reader(const Settings& settings) : settings_(settings) {}

  bool flag(std::string_view key) const { return get<bool>(key); }
  std::int64_t integer(std::string_view key) const { return get<std::int64_t>(key); }
  double real(std::string_view key) const { return get<double>(key); }
  const std::string& word(std::string_view key) const { return get<std::string>(key); }
  std::string text_or_empty(std::string_view key) const {
    const auto* text = settings_.get(key).as<std::string>();
    return text ? *text : std::string();
  }
  std::optional<std::int64_t> optional_integer(std::string_view key) const {
    const auto* number = settings_.get(key).as<std::int64_t>();
    return number ? std::optional(*number) : std::nullopt;
  }
  // nullopt where the key is unset or has its word ("document").
  std::optional<double> optional_real(std::string_view key) const {
    const auto* number = settings_.get(key).as<double>();
    return number ? std::optional(*number) : std::nullopt;
  }
  // One value or a list of them; empty where the key is unset.
  template <typename T>
  std::vector<T> list(std::string_view key) const {
    const Value& value = settings_.get(key);
    if (!value.is_set()) return {};
    const auto* items = value.as<List>();
    if (items == nullptr) return {get<T>(key)};
    std::vector<T> out;
    for (const Value& item : *items) {
      const T* typed = item.as<T>();
      BITSWEEP_CHECK(typed != nullptr, "{} holds {}", key, format_value(item));
      out.push_back(*typed);
    }
    return out;
  }
  // A width, with what its word ("none", "same") stands for.
  template <typename Word>
  Word width(std::string_view key, Word word_means) const {
    const auto* number = settings_.get(key).as<std::int64_t>();
    return number ? Word(static_cast<int>(*number)) : word_means;
  }
  // The enumerator that stands for the key's word.
  template <typename Enum>
  Enum choice(std::string_view key,
              std::initializer_list<std::pair<std::string_view, Enum>> all) const {
    const std::string& chosen = word(key);
    for (const auto& [name, value] : all) {
      if (name == chosen) return value;
    }
    BITSWEEP_CHECK(false, "{} = {} has no meaning here", key, chosen);
    return all.begin()->second;
  }
  // "quant.calibration.images = 512 (x.toml:5:28)", for messages.
  std::string said(std::string_view key) const;
  const Settings& settings() const { return settings_; }

 private:
  template <typename T>
  const T& get(std::string_view key) const {
    const T* value = settings_.get(key).as<T>();
    BITSWEEP_CHECK(value != nullptr, "{} is {}", key, format_value(settings_.get(key)));
    return *value;
  }
  const Settings& settings_;
};

}  // namespace bitsweep::config
