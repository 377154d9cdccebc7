#include "config/recipe.h"

#include <array>

#include "support.h"

using namespace bitsweep::config;

TEST_CASE("nested tables, dotted names and quoted names are one spelling") {
  for (const char* toml :
       {"quant.weight.bits = 4", "[quant.weight]\nbits = 4", "quant = { weight = { bits = 4 } }",
        "\"quant.weight.bits\" = 4", "quant.\"weight.bits\" = 4", "[\"quant.weight\"]\nbits = 4"}) {
    CHECK(settings_of(toml).get("quant.weight.bits") == Value(4));
  }
}

TEST_CASE("one key in two spellings is refused with both places") {
  const auto message =
      config_error([] { settings_of("quant.weight.bits = 4\n\"quant.weight.bits\" = 8\n"); });
  CHECK(contains(message, "quant.weight.bits is given twice"));
  CHECK(contains(message, "x.toml:1:"));
  CHECK(contains(message, "x.toml:2:"));
}

TEST_CASE("tables merge into a base, values and lists replace") {
  const TemporaryFolder folder;
  folder.write("base.toml",
               "seed = 3\nquant.weight = { bits = [4, 8], granularity = \"tensor\" }\n");
  const auto file = folder.write("top.toml", "base = \"base.toml\"\nquant.weight.bits = [2]\n");
  const Settings settings = load_recipe(file);
  CHECK(settings.get("seed") == Value(3));
  CHECK(settings.get("quant.weight.bits") == Value(List{2}));
  CHECK(settings.get("quant.weight.granularity") == Value("tensor"));
}

TEST_CASE("a table for data.normalize replaces a word from the base, and the other way round") {
  const TemporaryFolder folder;
  folder.write("word.toml", "data.normalize = \"tf\"\n");
  const auto table = folder.write(
      "table.toml",
      "base = \"word.toml\"\ndata.normalize = { mean = [0, 0, 0], std = [1, 1, 1] }\n");
  const auto word = folder.write("again.toml", "base = \"table.toml\"\ndata.normalize = \"raw\"\n");
  CHECK(load_recipe(table).get("data.normalize").as<Table>() != nullptr);
  CHECK(load_recipe(word).get("data.normalize") == Value("raw"));
}

TEST_CASE("a base is relative to the file that names it, and its paths keep its folder") {
  const TemporaryFolder folder;
  folder.write("recipes/deep/a.toml", "model.weights = \"w.safetensors\"\n");
  folder.write("recipes/b.toml", "base = \"deep/a.toml\"\n");
  const auto file = folder.write("sweeps/c.toml", "base = \"../recipes/b.toml\"\nseed = 1\n");
  const Settings settings = load_recipe(file);
  CHECK(settings.folder_of("model.weights") == (folder.path() / "recipes/deep").lexically_normal());
  CHECK(contains(settings.place_of("model.weights"), "a.toml:1:17"));
  CHECK(settings.folder_of("seed") == folder.path() / "sweeps");
}

TEST_CASE("layer rules of a file come before those of its base, in their order") {
  const TemporaryFolder folder;
  folder.write("base.toml", "[[layer]]\nmatch = \"a\"\nweight.bits = 1\n");
  const auto file =
      folder.write("top.toml",
                   "base = \"base.toml\"\n[[layer]]\nmatch = \"b\"\nweight.bits = 2\n"
                   "[[layer]]\nmatch = \"c\"\nactivation.granularity = \"channel\"\n");
  const Settings settings = load_recipe(file);
  REQUIRE(settings.layers.size() == 3);
  CHECK(settings.layers[0].match == "b");
  CHECK(settings.layers[1].match == "c");
  CHECK(settings.layers[2].match == "a");
  CHECK(settings.layers[1].overrides.front().first == "activation.granularity");
  CHECK(contains(settings.layers[0].place, "top.toml:3:9"));
}

TEST_CASE("a base that comes back to itself is refused with the cycle") {
  const TemporaryFolder folder;
  const auto self = folder.write("self.toml", "base = \"self.toml\"\n");
  CHECK(contains(config_error([&] { load_recipe(self); }), "self.toml → self.toml"));
  folder.write("a.toml", "base = \"b.toml\"\n");
  folder.write("b.toml", "base = \"./c.toml\"\n");
  folder.write("c.toml", "base = \"../" + folder.path().filename().string() + "/a.toml\"\n");
  const auto start = folder.write("start.toml", "base = \"a.toml\"\n");
  CHECK(contains(config_error([&] { load_recipe(start); }),
                 "comes back to itself: a.toml → b.toml → c.toml → a.toml"));
}

TEST_CASE("a chain of 1000 bases is refused, one of 40 is followed") {
  const TemporaryFolder folder;
  for (int i = 0; i < 1000; ++i) {
    folder.write(std::to_string(i) + ".toml", "base = \"" + std::to_string(i + 1) + ".toml\"\n");
  }
  folder.write("1000.toml", "seed = 5\n");
  CHECK(contains(config_error([&] { load_recipe(folder.path() / "0.toml"); }),
                 "a chain of more than 64 bases"));
  CHECK(load_recipe(folder.path() / "960.toml").get("seed") == Value(5));
}

TEST_CASE("a base that is missing, no path or a sweep is refused with its place") {
  const TemporaryFolder folder;
  const auto refusal = [&](std::string_view toml) {
    const auto file = folder.write("x.toml", toml);
    return config_error([&] { load_recipe(file); });
  };
  CHECK(contains(refusal("base = \"none.toml\"\n"),
                 "x.toml:1:8: base = \"none.toml\": there is no file"));
  CHECK(contains(refusal("base = 4\n"), "x.toml:1:8: base = 4 is not allowed"));
  CHECK(contains(refusal("base = \".\"\n"), "there is no file"));
  folder.write("sweep.toml", "[trial]\nseed = 1\n");
  CHECK(contains(refusal("base = \"sweep.toml\"\n"), "sweep.toml:1:1: a base must be a recipe"));
}

TEST_CASE("claims and tables of a recipe are left to the sweep room") {
  const TemporaryFolder folder;
  const auto file = folder.write(
      "r.toml",
      "schema = 1\nname = \"r\"\nseed = 2\n[[paper]]\nid = \"x\"\n[[table]]\nrows = \"seed\"\n");
  CHECK(load_recipe(file).get("seed") == Value(2));
}

TEST_CASE("a file of another schema is refused") {
  const TemporaryFolder folder;
  for (const char* schema : {"2", "\"1\"", "1.0", "0"}) {
    const auto file = folder.write("r.toml", std::string("schema = ") + schema + "\n");
    CHECK(contains(config_error([&] { load_recipe(file); }), "this version reads schema 1"));
  }
}

TEST_CASE("read_assignments leaves the names in skip to the caller at the top level alone") {
  const auto document = parse_toml("when = \"x\"\nseed = 1\n", "x.toml");
  constexpr std::array<std::string_view, 1> kWhen = {"when"};
  const auto made = read_assignments(document.root, kWhen);
  REQUIRE(made.size() == 1);
  CHECK(schema()[made[0].key].name == "seed");
  CHECK(contains(config_error([&] { read_assignments(document.root); }), "unknown key 'when'"));
}
