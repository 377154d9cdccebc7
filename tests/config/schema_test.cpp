#include "config/schema.h"

#include <algorithm>
#include <set>

#include "support.h"

using namespace bitsweep::config;

TEST_CASE("keys are sorted, unique and each has a line of documentation") {
  for (std::size_t i = 0; i < schema().size(); ++i) {
    const Key& key = schema()[i];
    INFO(key.name);
    CHECK(find_key(key.name) == i);
    CHECK_FALSE(key.doc.empty());
    CHECK_FALSE(contains(key.doc, "\n"));
    CHECK((i == 0 || schema()[i - 1].name < key.name));
  }
}

TEST_CASE("every default is a value that its own key takes, in its stored form") {
  for (const Key& key : schema()) {
    if (!key.fallback.is_set()) continue;
    INFO(key.name);
    CHECK(checked_value(key, key.fallback, "default") == key.fallback);
  }
}

TEST_CASE("the words and defaults of every scheme are among those of its key") {
  for (const Key& key : schema()) {
    for (const SchemeWords& scheme : key.by_scheme) {
      INFO(key.name << " of " << scheme.scheme);
      CHECK(checked_value(key, scheme.fallback, "default") == scheme.fallback);
      const auto* word = scheme.fallback.as<std::string>();
      REQUIRE(word != nullptr);
      CHECK(std::find(scheme.words.begin(), scheme.words.end(), *word) != scheme.words.end());
    }
  }
}

TEST_CASE("no default is a word for later") {
  for (const Key& key : schema()) {
    const auto* word = key.fallback.as<std::string>();
    INFO(key.name);
    CHECK((word == nullptr || std::find(key.later_words.begin(), key.later_words.end(), *word) ==
                                  key.later_words.end()));
  }
}

TEST_CASE("every condition of the table parses over known keys") {
  CHECK(conditions().of_key.size() == schema().size());
  for (const auto& names : conditions().names) CHECK_FALSE(names.empty());
}

TEST_CASE("no two keys differ in being a table and a value of the same name") {
  std::set<std::string> names(key_names().begin(), key_names().end());
  for (const std::string& name : key_names()) {
    for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      CHECK_FALSE(names.contains(name.substr(0, dot)));
    }
  }
}

TEST_CASE("checked_value brings every spelling to one stored form") {
  const auto stored = [](std::string_view key, Value value) {
    return checked_value(schema()[require_key(key, "test")], std::move(value), "test");
  };
  CHECK(stored("quant.activation.percentile", 99) == Value(99.0));
  CHECK(stored("data.train_images", 1e3) == Value(1000));
  CHECK(stored("quant.weight.bits", 32) == Value("none"));
  CHECK(stored("quant.sites.logits_bits", 32) == Value("none"));
  CHECK(stored("quant.weight.bits", List{8, 32, "none"}) == Value(List{8, "none", "none"}));
  CHECK(stored("train.lr", -0.0) == Value(0.0));
  CHECK(stored("data.normalize", Table{{"std", List{1, 2, 3}}, {"mean", List{0, 0, 0.5}}}) ==
        Value(Table{{"mean", List{0.0, 0.0, 0.5}}, {"std", List{1.0, 2.0, 3.0}}}));
  CHECK(stored("quant.activation.clipping", "std:2.5") == Value("std:2.5"));
}

TEST_CASE("expected tells type, range and words") {
  const auto text = [](std::string_view key) {
    return expected(schema()[require_key(key, "test")]);
  };
  CHECK(text("quant.weight.bits") == "an integer from 1 to 16, or \"none\", or a list of them");
  CHECK(text("eval.batch_size") == "an integer of at least 1");
  CHECK(text("quant.weight.granularity") == "one of \"tensor\", \"channel\"");
  CHECK(text("model.name") == "the name of a model");
}
