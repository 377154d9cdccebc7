// The table of configuration keys: the only place where a key's name, type, default, range and
// meaning stand. Validation, messages, help, docs/config.md, identity and database columns read it.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/expression.h"
#include "config/value.h"

namespace bitsweep::config {

enum class Type {
  boolean,
  integer,    // min…max, or one of `words`
  real,       // min…max (finite), or one of `words`
  word,       // one of `words` or `later_words`
  text,       // any string
  name,       // a word of the registry that `family` names, in a room above this one
  path,       // a file or folder; `stage:NAME` and `trial:KEY` where the doc says so
  duration,   // "90s", "2h"
  normalize,  // one of `words`, or { mean = [r, g, b], std = [r, g, b] }
};

// What a key's value contributes to a trial's identity.
enum class Role {
  value,    // itself
  content,  // the SHA-256 of what the path holds
  dataset,  // the name and the SHA-256 of the decoded records
  nothing,  // where to look, how long to wait
};

// What a key that several schemes share takes under one of them, and its default there.
struct SchemeWords {
  std::string scheme;
  Value fallback;
  std::vector<std::string> words;
  std::vector<std::string> later_words;
};

// `= {}`, so that rows written with designators may leave members out without a warning.
struct Key {
  std::string name = {};  // "quant.weight.bits"
  Type type = Type::text;
  Value fallback = {};   // the default; monostate where unset means something of its own
  std::string doc = {};  // one line

  double min = -std::numeric_limits<double>::infinity();  // inclusive
  double max = std::numeric_limits<double>::infinity();   // inclusive
  std::vector<std::string> words = {};        // "std:P" stands for "std:" and a positive number
  std::vector<std::string> later_words = {};  // known, refused by check_available
  // Where `words`, `later_words` and `fallback` depend on quant.scheme; the members above then hold
  // the words of all schemes and the default of those that are not listed.
  std::vector<SchemeWords> by_scheme = {};
  std::string family = {};  // Type::name: "model", "data set", "scheme"
  bool list = false;        // a list of such values is taken as well
  bool later = false;       // the whole key is refused by check_available
  Role role = Role::value;
  // Condition on the other keys under which the key has an effect; "" always. Elsewhere it is left
  // out of identity and, if set, reported as unused.
  std::string used_when = {};
};

using KeyIndex = std::size_t;

// Sorted by name; positions are stable within a program only.
std::span<const Key> schema();
std::optional<KeyIndex> find_key(std::string_view name);
// Throws ConfigError with `place`, the keys of the same table and the nearest known key.
KeyIndex require_key(std::string_view name, std::string_view place);
// Every key's name, sorted.
const std::vector<std::string>& key_names();

// used_when of all keys, parsed, each distinct condition once.
struct Conditions {
  std::vector<Expression> distinct;
  std::vector<std::vector<KeyIndex>> names;  // of distinct[i].names(), as positions
  std::vector<int> of_key;                   // position in `distinct`, or −1 for always
};
const Conditions& conditions();

// The key's row for one scheme; nullptr where it does not depend on the scheme or has none.
const SchemeWords* words_under(const Key& key, std::string_view scheme);

// A key's default, as docs say it: `"affine"; "mpact" with scheme dorefa_pact`, "" where there is
// none.
std::string default_text(const Key& key);

// What a key takes, as messages and docs say it: `an integer from 1 to 16, or "none"`.
std::string expected(const Key& key);

// The value in its one stored form (an integer for a real key becomes a real, 1e3 for an integer
// key an integer, 32 bits "none"). Throws ConfigError with the place, the key, the value, what was
// expected and, for a word, the nearest one.
Value checked_value(const Key& key, Value value, std::string_view place);

}  // namespace bitsweep::config
