// The command line of document 004's inference simulator (facts 004 B.6) as a post-training trial.
// Flags that did nothing there, or could not work, do nothing here, and are named.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "importing/vocabulary.h"
#include "importing/words.h"

namespace bitsweep::importing {
namespace {

enum class Takes { nothing, value };

struct Flag {
  std::vector<std::string> names;  // every spelling; the first is how messages call it
  Takes takes = Takes::nothing;
  std::string note;  // why it has no counterpart; "" where it has one
};

const char* const kDead = "did nothing in the simulator";
const char* const kElsewhere = "is no part of a trial here: see `bitsweep run --help`";
const char* const kSweep =
    "was a sweep over trials (and broken at the simulator's head): see `bitsweep analyse`";

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all = {
      {{"--data"}, Takes::value, ""},
      {{"-a", "--arch"}, Takes::value, ""},
      {{"-j"}, Takes::value, kElsewhere},
      {{"-b"}, Takes::value, ""},
      {{"-p"}, Takes::value, kElsewhere},
      {{"--seed"}, Takes::value, ""},
      {{"--device"}, Takes::value, kElsewhere},
      {{"--device_ids"}, Takes::value, kElsewhere},
      {{"--qtype"}, Takes::value, ""},
      {{"-qw"}, Takes::value, ""},
      {{"-qm"}, Takes::value, "loaded a k-means model, which was dead code"},
      {{"-nb"}, Takes::nothing, "belonged to the k-means model, which was dead code"},
      {{"--q_off"}, Takes::nothing, ""},
      {{"-sh"}, Takes::nothing, ""},
      {{"-s"}, Takes::nothing, kDead},
      {{"-hs"}, Takes::nothing, kDead},
      {{"-pz"}, Takes::nothing, kDead},
      {{"-ep"}, Takes::nothing, kSweep},
      {{"-ct"}, Takes::nothing, kSweep},
      {{"-c"}, Takes::value, ""},
      {{"-ra"}, Takes::value, kDead},
      {{"-rw"}, Takes::value, kDead},
      {{"-sm"}, Takes::value, ""},
      {{"-sk"}, Takes::value, ""},
      {{"-sf"}, Takes::value, "named a folder of statistics, which are collected as needed here"},
      {{"-sba"}, Takes::nothing, ""},
      {{"-ac"}, Takes::nothing, "chose a calibration run, which every calibrated trial has here"},
      {{"-kld"}, Takes::nothing, ""},
      {{"-cs"}, Takes::value, ""},
      {{"-ss"}, Takes::value, ""},
      {{"-pcq_w"}, Takes::nothing, ""},
      {{"-pcq_a"}, Takes::nothing, ""},
      {{"-baa"}, Takes::nothing, ""},
      {{"-baw"}, Takes::nothing, ""},
      {{"-bam"}, Takes::value, ""},
      {{"-bap"}, Takes::value, ""},
      {{"-bata"}, Takes::value, ""},
      {{"-batw"}, Takes::value, ""},
      {{"-bca"}, Takes::nothing, ""},
      {{"-bcw"}, Takes::nothing, ""},
      {{"-vcw"}, Takes::nothing, ""},
      {{"-me"},
       Takes::nothing,
       "measured entropy: trials report `weight_entropy` by themselves, and `activation_entropy` "
       "with quantizer `mid_tread`"},
      {{"-mtq"}, Takes::nothing, ""},
      {{"-ms"}, Takes::nothing, "measured tensors, and is no part of a trial"},
      {{"-mf"}, Takes::value, "named a folder of measurements, and is no part of a trial"},
      {{"-dd"}, Takes::value, "dumped tensors, and is no part of a trial"},
      {{"-mlexp"},
       Takes::value,
       "named an experiment of a tracking server; the database has names"},
  };
  return all;
}

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : flags()) {
    if (std::ranges::find(flag.names, name) != flag.names.end()) return &flag;
  }
  return nullptr;
}

std::vector<std::string> flag_names() {
  std::vector<std::string> out;
  for (const Flag& flag : flags()) out.insert(out.end(), flag.names.begin(), flag.names.end());
  return out;
}

bool is_flag(std::string_view word) {
  // A negative number is a value.
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
}

// The flags that a command line gives, by their first names; the last one of each counts, as with
// the simulator's own parser.
class Given {
 public:
  explicit Given(const ImportInput& input) : place_(input.place) {
    std::vector<std::string> words = split_words(input.text, input.place);
    // "python inference/inference_sim.py" and what stands before it.
    const auto script =
        std::ranges::find_if(words, [](const std::string& word) { return word.ends_with(".py"); });
    if (script != words.end()) words.erase(words.begin(), script + 1);
    for (std::size_t i = 0; i < words.size(); ++i) i = read(words, i);
  }

  bool has(const std::string& name) const { return values_.contains(name); }

  std::optional<std::string> text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<std::int64_t> count(const std::string& name) const {
    const auto given = text(name);
    if (!given) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (error != std::errc{} || end != given->data() + given->size()) {
      refuse(name, "a whole number");
    }
    return value;
  }

  std::optional<double> real(const std::string& name) const {
    const auto given = text(name);
    if (!given) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (error != std::errc{} || end != given->data() + given->size() || !std::isfinite(value)) {
      refuse(name, "a number");
    }
    return value;
  }

  // The value that stands for the flag's word. Throws ConfigError for another word.
  std::string word(const std::string& name, const std::string& fallback,
                   const std::map<std::string, std::string>& words) const {
    const auto found = words.find(text(name).value_or(fallback));
    if (found != words.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& [known_word, value] : words) known.push_back(known_word);
    throw ConfigError(
        fmt::format("{}: {} {}", place_, name, unknown_name_message("word", *text(name), known)));
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const {
    throw ConfigError(fmt::format("{}: {} {}: expected {}", place_, name, *text(name), expected));
  }

  // Flags without a counterpart, in the order given.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  // Reads the flag at `words[i]`; returns the position of its last word.
  std::size_t read(const std::vector<std::string>& words, std::size_t i) {
    std::string name = words[i];
    std::optional<std::string> value;
    if (!is_flag(name)) {
      throw ConfigError(fmt::format("{}: '{}' belongs to no flag", place_, name));
    }
    const std::size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Flag* flag = find_flag(name);
    // "-b512": a flag of one letter with its value attached.
    if (flag == nullptr && !value && name.size() > 2 && name[1] != '-') {
      const Flag* letter = find_flag(name.substr(0, 2));
      const bool is_number = name[2] >= '0' && name[2] <= '9';
      if (letter != nullptr && letter->takes == Takes::value && is_number) {
        flag = letter;
        value = name.substr(2);
      }
    }
    if (flag == nullptr) {
      throw ConfigError(
          fmt::format("{}: {}", place_, unknown_name_message("flag", name, flag_names())));
    }
    if (flag->takes == Takes::nothing && value) {
      throw ConfigError(fmt::format("{}: {} takes no value", place_, name));
    }
    if (flag->takes == Takes::value && !value) {
      if (i + 1 == words.size() || is_flag(words[i + 1])) {
        throw ConfigError(fmt::format("{}: {} needs a value", place_, name));
      }
      value = words[++i];
      // argparse took the numbers behind --device_ids as a list.
      while (flag->names.front() == "--device_ids" && i + 1 < words.size() &&
             !is_flag(words[i + 1])) {
        *value += " " + words[++i];
      }
    }
    const std::string& canonical = flag->names.front();
    values_[canonical] = value.value_or("");
    if (!flag->note.empty()) {
      notes_.push_back(
          fmt::format("{}{}{} {}", name, value ? " " : "", value.value_or(""), flag->note));
    }
    return i;
  }

  std::string place_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> notes_;
};

// "int4" → 4.
config::Value width(const Given& given, const std::string& name, const std::string& type) {
  int bits = 0;
  const auto [end, error] = std::from_chars(type.data() + std::min<std::size_t>(3, type.size()),
                                            type.data() + type.size(), bits);
  const bool is_width = type.starts_with("int") && error == std::errc{} &&
                        end == type.data() + type.size() && bits >= 1 && bits <= 16;
  if (!is_width) given.refuse(name, "int1 to int16, as in int4");
  return std::int64_t{bits};
}

void set_data(const Given& given, const ImportInput& input, ImportedTrial& out) {
  const std::string arch = given.text("-a").value_or("resnet18");
  out.set("model.name", input.model.empty() ? arch : input.model);
  out.set("model.weights", arch + ".safetensors");
  out.set("data.name", std::string("imagenet"));
  if (const auto root = given.text("--data")) out.set("data.root", *root);
  if (const auto subset = given.count("-ss")) out.set("data.test_images", *subset);
}

void set_weight(const Given& given, ImportedTrial& out) {
  const std::string type = given.text("-qw").value_or("int8");
  if (type == "f32") {
    out.set("quant.weight.bits", std::string("none"));
    out.notes.push_back("-qw f32 was broken at the simulator's head (an argument count)");
  } else {
    out.set("quant.weight.bits", width(given, "-qw", type));
  }
  if (given.has("-pcq_w")) out.set("quant.weight.granularity", std::string("channel"));
  if (given.has("-mtq")) out.set("quant.weight.quantizer", std::string("mid_tread"));
  if (given.has("-bcw") || given.has("-vcw")) {
    out.set("quant.weight.bias_correction", std::string(!given.has("-vcw")  ? "mean"
                                                        : given.has("-bcw") ? "mean_variance"
                                                                            : "variance"));
  }
}

void set_allocation(const Given& given, const std::string& table, const char* flag,
                    const char* target, ImportedTrial& out) {
  if (given.has("-mtq")) {  // deals out its bins itself, with or without the flag
    if (const auto average = given.real(target)) out.set(table + ".average_bits", *average);
    return;
  }
  if (!given.has(flag)) {
    if (given.has(target)) {
      out.notes.push_back(fmt::format("{} has no effect without {}", target, flag));
    }
    return;
  }
  out.set(table + ".bit_allocation",
          given.word("-bam", "round", {{"round", "round"}, {"ceil", "ceil"}}));
  const std::string prior = given.word("-bap", "gaus", {{"gaus", "std"}, {"laplace", "b"}});
  // Weights went by their standard deviation, whatever the prior.
  if (table == "quant.activation" && prior != "std") out.set(table + ".allocation_prior", prior);
  if (const auto average = given.real(target)) out.set(table + ".average_bits", *average);
}

std::string clipping(const Given& given) {
  const std::string word = given.text("-c").value_or("no");
  static const std::map<std::string, std::string> kWords = {
      {"no", "none"}, {"laplace", "laplace"}, {"gaus", "gauss"}, {"mix", "mix"}};
  const auto found = kWords.find(word);
  if (found != kWords.end()) return found->second;
  if (word.ends_with("std") && word.size() > 3) return "std:" + word.substr(0, word.size() - 3);
  if (word == "exp") {
    given.refuse("-c", "no, laplace, gaus, mix or Pstd (exp was advertised, never implemented)");
  }
  given.refuse("-c", "no, laplace, gaus, mix or Pstd, as in 2std");
}

void set_activation(const Given& given, ImportedTrial& out) {
  const auto type = given.text("--qtype");
  if (given.has("--q_off") || !type) {
    out.set("quant.activation.bits", std::string("none"));
    if (!given.has("--q_off")) {
      out.notes.push_back(
          "without --qtype the simulator failed in its weight step; here "
          "activations stay in full precision");
    }
    return;
  }
  out.set("quant.activation.bits", width(given, "--qtype", *type));
  if (given.has("-pcq_a")) out.set("quant.activation.granularity", std::string("channel"));
  if (given.has("-mtq")) out.set("quant.activation.quantizer", std::string("mid_tread"));
  // -mtq clipped by Laplace's table, whatever -c said.
  const std::string clip = given.has("-mtq")   ? "laplace"
                           : given.has("-kld") ? "kl"
                                               : clipping(given);
  if (clip != "none") out.set("quant.activation.clipping", clip);
  if (clip == "mix") {
    out.notes.push_back("-c mix always ended as laplace in the simulator; here it chooses");
  }
}

void set_statistics(const Given& given, ImportedTrial& out) {
  const std::string mode = given.word(
      "-sm", "no", {{"no", "dynamic"}, {"use", "calibrated"}, {"collect", "calibrated"}});
  const bool calibrated = mode == "calibrated" || given.has("-kld");
  out.set("quant.calibration.statistics", std::string(calibrated ? "calibrated" : "dynamic"));
  if (given.text("-sm") == "collect") {
    out.notes.push_back("-sm collect only collected; here the same trial collects and uses them");
  }
  if (!calibrated) {
    for (const char* flag : {"-sk", "-cs", "-sba"}) {
      if (given.has(flag)) {
        out.notes.push_back(fmt::format("{} has no effect without -sm collect or use", flag));
      }
    }
    return;
  }
  // The simulator calibrated on shuffled validation images, in batches of -b.
  out.set("quant.calibration.source", std::string("test"));
  out.set("quant.calibration.order", std::string("random"));
  out.set("quant.calibration.images", given.count("-cs").value_or(5120));
  out.set("quant.calibration.batch_size", given.count("-b").value_or(256));
  const std::string kind = given.word("-sk", "mean", {{"mean", "mean"}, {"max", "extreme"}});
  if (kind != "mean") out.set("quant.calibration.over_batches", kind);
  if (given.has("-sba")) out.set("quant.activation.range", std::string("sample_mean"));
  if (given.has("-sh")) {
    out.notes.push_back("-sh has no effect on a calibrated evaluation (it shuffles batches)");
  }
}

ImportedTrial translate(const ImportInput& input) {
  const Given given(input);
  ImportedTrial out;
  out.head = {
      "Translated by `bitsweep import-config` from the command line of document 004's "
      "simulator:",
      "  " + input.text};
  out.name = fmt::format("simulator_{}", given.text("-a").value_or("resnet18"));
  out.set("kind", std::string("ptq"));
  if (const auto seed = given.count("--seed")) out.set("seed", *seed);
  set_data(given, input, out);
  const bool dynamic = given.text("-sm").value_or("no") == "no" && !given.has("-kld");
  out.set("eval.batch_size", given.count("-b").value_or(256));
  if (dynamic && given.has("-sh")) out.set("eval.shuffle", true);
  out.set("quant.scheme", std::string("aciq"));
  out.set("quant.preset", std::string("submission2019"));
  set_weight(given, out);
  set_allocation(given, "quant.weight", "-baw", "-batw", out);
  set_activation(given, out);
  if (given.has("--qtype") && !given.has("--q_off")) {
    set_allocation(given, "quant.activation", "-baa", "-bata", out);
    if (given.has("-bca")) {
      if (dynamic) {
        out.notes.push_back("-bca has no effect without -sm use");
      } else {
        out.set("quant.activation.bias_correction", std::string("mean"));
      }
    }
  }
  set_statistics(given, out);
  out.notes.insert(out.notes.end(), given.notes().begin(), given.notes().end());
  return out;
}

bool recognises(std::string_view text) {
  if (text.find('[') != std::string_view::npos) return false;
  for (const char* sign : {"inference_sim", "--qtype", "-pcq_", "-qw ", "--arch", "-a "}) {
    if (text.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

void register_simulator(Registry<Vocabulary>& registry) {
  registry.add(
      {"simulator", "Command line of document 004's inference simulator", recognises, translate});
}

}  // namespace bitsweep::importing
