// Golden cases: results of other implementations, read from files (README.md in this folder says
// what they are), compared by the tolerance that each case states.
//
// To add handlers, write NAME_golden.cpp with
//     namespace bitsweep::golden {
//     void register_NAME(Handlers& handlers) {
//       handlers.add({.topic = "architectures", .kinds = {""}, .run = count_layers});
//     }
//     }
// and add NAME to the word list in meson.build: `golden_topics` (no LibTorch, run by golden_test)
// or `golden_training_topics`, `golden_wholenet_topics` (with LibTorch, run by golden_training_test
// and golden_wholenet_test; list the topic there in not_yet.jsonc, too). A case is chosen by topic,
// kind and params, never by its name: the same kinds exist with other numbers. What nothing handles
// is a failure unless not_yet.jsonc says which issue brings it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace bitsweep::golden {

using Json = nlohmann::json;

// Numbers of one array of a golden file. Doubles hold every float32 and every integer of the files
// exactly; entries of float32 arrays have been rounded to float32.
struct Array {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<double> data;

  std::vector<float> floats() const;       // each entry rounded to float32
  std::vector<std::int32_t> ints() const;  // throws DataError for an entry that is no int32
};

struct Case {
  std::filesystem::path folder;  // where .npy files lie
  std::string topic;
  std::string name;  // for messages
  std::string kind;  // "" where the file gives none
  Json inputs, params, expect, tolerance;
  Json all;  // the whole case, for what a topic keeps elsewhere
  bool normative = true;

  Array input(const std::string& name) const;  // throws DataError where there is none
  Array param(const std::string& name) const;  // likewise; a plain number is an array of shape []
  // The number, string or bool params[name]; throws DataError where it is missing or of another
  // type.
  template <class T>
  T get(const std::string& name) const {
    return value(name).get<T>();
  }
  bool has(const std::string& name) const { return params.contains(name); }

 private:
  const Json& value(const std::string& name) const;
};

// {"dtype", "shape", "data" | "npy"}, a plain number, or a list of numbers. Non-finite numbers are
// the strings "nan", "inf", "-inf". Throws DataError saying what is wrong and, for .npy, in which
// file.
Array read_array(const Json& node, const std::filesystem::path& folder);

// A little-endian C-order .npy file of f4, f8, i1, u1, i2, u2, i4, u4, i8 or b1. Throws DataError.
Array read_npy(const std::filesystem::path& path);

// How a handler writes an array into its answer.
Json pack(std::span<const float> data, std::vector<std::int64_t> shape);
Json pack(std::span<const double> data, std::vector<std::int64_t> shape);
Json pack(std::span<const std::int32_t> data, std::vector<std::int64_t> shape);
Json pack(std::span<const std::uint8_t> data, std::vector<std::int64_t> shape);

// What a handler answers for a field that a later issue brings: an object with the key kNotYet. The
// runner reports it.
inline constexpr const char* kNotYet = "not_yet";
Json not_yet(const std::string& brought_by);

// What differs between an answer and what the case expects, one sentence each; empty if nothing.
// The answer has the shape of `expect`; surplus fields are ignored. How a rule of `tolerance` is
// found for a field: by the innermost name that a rule names, else `*`, else the longest rule name
// that the field's name begins with ("x" for "x_first_batch"), else exact. `exact_off_boundary`
// reads the answer's NAME_boundary_distance beside NAME, where there is one.
std::vector<std::string> differences(const Case& golden, const Json& answer);

// Computes an answer. Throwing means failure; throwing Skip means that what the case needs is
// absent.
using Run = Json (*)(const Case&);

struct Skip {
  std::string reason;
};

struct Handler {
  std::string topic;
  std::vector<std::string> kinds;        // empty: every kind
  bool (*takes)(const Case&) = nullptr;  // nullptr: every case of these kinds
  Run run = nullptr;
};

class Handlers {
 public:
  void add(Handler handler) { handlers_.push_back(std::move(handler)); }
  // nullptr where nothing handles the case.
  const Handler* find(const Case& golden) const;

 private:
  std::vector<Handler> handlers_;
};

// Reads every .json file of a folder and runs its cases.
struct RunOptions {
  std::filesystem::path folder;
  std::filesystem::path not_yet;  // the list of not_yet.jsonc
  std::string runner;             // only topics that the list gives to this runner
  bool complete = false;          // an entry of the list that matches no case is a failure
};

struct Summary {
  int files = 0, cases = 0, failed = 0, skipped = 0;
};

// Prints one line per failure, and at the end one per reason for skipping.
Summary run_golden(const RunOptions& options, const Handlers& handlers);

// What both executables' main() is: folder from $BITSWEEP_GOLDEN or the source folder, summary as
// the last line, exit status 1 on failure, 77 where every case was skipped.
int golden_main(const std::string& runner, const Handlers& handlers);

}  // namespace bitsweep::golden
