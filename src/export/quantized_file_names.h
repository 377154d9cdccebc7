// What the two halves of export/quantized_file.h share: the names within the file.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "core/error.h"
#include "export/checked_document.h"
#include "export/quantized_file.h"

namespace bitsweep::exporting {

inline constexpr DocumentKind kQuantizedDocument{"bitsweep.network", kQuantizedFileVersion,
                                                 "exported network"};

inline constexpr const char* kInputValues = "input.values";
inline constexpr const char* kInputSource = "input.source";

// The words of enumerations, in their order.
inline constexpr std::array kClamps = {"none", "dorefa_clamp", "pact_fixed", "pact", "mpact"};
inline constexpr std::array kTies = {"even", "away"};
inline constexpr std::array kScalings = {"divide", "reciprocal"};
inline constexpr std::array kZeroPointOrders = {"after_rounding", "before_rounding"};
inline constexpr std::array kNormalized = {"tanh_symmetric", "dorefa"};

inline std::string word_of(std::span<const char* const> words, std::size_t position) {
  return words[position];
}

template <class Kind>
Kind kind_of(std::span<const char* const> words, const std::string& text) {
  const auto it = std::ranges::find_if(words, [&](const char* w) { return text == w; });
  if (it == words.end())
    throw ConfigError(fmt::format("'{}' is none of {}", text, fmt::join(words, ", ")));
  return static_cast<Kind>(it - words.begin());
}

// Whether the file holds this tensor as codes.
inline bool has_codes(const QuantizedNetwork& network, const graph::TensorSpec& spec) {
  return network.weight_of(spec.node) != nullptr && spec.name.ends_with(".weight");
}

}  // namespace bitsweep::exporting
