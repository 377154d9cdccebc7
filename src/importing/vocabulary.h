// A document's own vocabulary (flags, lists), translated into a trial for `bitsweep import-config`:
// a file src/importing/vocabularies/<word>.cpp that defines register_<word>() and the word in
// src/importing/meson.build. Nothing that is read is ever executed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value.h"
#include "core/registry.h"

namespace bitsweep::importing {

struct ImportInput {
  std::string text;   // as read, or the words as typed, joined by spaces
  std::string place;  // the file, or "command line", for messages
  std::string model;  // --model; "" where the input has to say it
};

// A trial in the order in which people write it.
struct ImportedTrial {
  std::string name;
  std::vector<std::string> head;  // comment lines: what it was translated from
  std::vector<std::pair<std::string, config::Value>> keys;
  // What has no counterpart and why, one sentence each: comments of the file, warnings on stderr.
  std::vector<std::string> notes;

  void set(std::string key, config::Value value) {
    keys.emplace_back(std::move(key), std::move(value));
  }
};

struct Vocabulary {
  std::string name;     // what --from takes
  std::string summary;  // one line
  // Whether `text` looks like it.
  bool (*recognises)(std::string_view text) = nullptr;
  // Throws ConfigError with the place of what it cannot mean.
  ImportedTrial (*translate)(const ImportInput& input) = nullptr;
};

const Registry<Vocabulary>& vocabularies();

// The vocabulary named `from`, or the one that recognises the input where `from` is "". Throws
// ConfigError where none or several do.
const Vocabulary& vocabulary_for(const ImportInput& input, const std::string& from);

// The trial as a recipe file that `bitsweep plan` reads. Throws ConfigError for a key or value that
// no trial can have, which is a fault of the input.
std::string to_toml(const ImportedTrial& trial);

}  // namespace bitsweep::importing
