// The golden runner itself: every rule can fail, damaged files are refused, nothing goes unnoticed.
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "golden.h"

using namespace bitsweep::golden;
using bitsweep::DataError;
using Catch::Matchers::ContainsSubstring;

namespace {

namespace fs = std::filesystem;

// A folder that is removed with its content.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "golden_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { fs::remove_all(path_); }

  fs::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// What differs(…) says with one rule for field "y" of a case that expects `want`.
std::vector<std::string> complaints(const Json& rule, const Json& want, const Json& got,
                                    const Json& params = Json::object()) {
  Case golden;
  golden.params = params;
  golden.expect = {{"y", want}};
  golden.tolerance = {{"y", rule}};
  return differences(golden, {{"y", got}});
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         data;
}

const char* kNoList = R"({"runners": {}, "not_yet": []})";

Json one(const Case& golden) { return {{"y", golden.params.value("answer", 1)}}; }

std::string file_with(const std::string& kind, const std::string& params) {
  return R"({"topic": "t", "cases": [{"name": "n", "kind": ")" + kind +
         R"(", "inputs": {}, "params": )" + params + R"(, "expect": {"y": 1}, "tolerance": {}}]})";
}

Summary run(const TemporaryFolder& folder, const std::string& list, bool complete = false) {
  const TemporaryFolder list_folder;
  Handlers handlers;
  handlers.add({"t", {"known"}, nullptr, one});
  return run_golden({folder.path(), list_folder.write("list", list), "golden_test", complete},
                    handlers);
}

}  // namespace

TEST_CASE("each tolerance accepts what it allows and refuses what it does not", "[golden]") {
  struct Row {
    Json rule, want, good, bad;
  };
  const Row row = GENERATE(
      Row{{{"kind", "exact"}}, {1, 2}, {1, 2}, {1, 2.0000001}},
      Row{{{"kind", "exact"}}, "even", "even", "away"}, Row{{{"kind", "exact"}}, true, true, false},
      Row{{{"kind", "close"}, {"abs", 0.5}}, {1, 2}, {1.5, 2}, {1.6, 2}},
      Row{{{"kind", "close"}, {"rel", 0.1}}, {10, -10}, {11, -11}, {11.1, -10}},
      Row{{{"kind", "close"}, {"abs", 1}}, {"nan", "inf"}, {"nan", "inf"}, {"nan", "-inf"}},
      Row{{{"kind", "bits"}, {"max_differing", 2}}, {255, 0}, {252, 0}, {252, 1}},
      Row{{{"kind", "mean_abs"}, {"max", 0.5}}, {0, 0}, {1, 0}, {1, -0.5}},
      Row{{{"kind", "fraction_exact"}, {"min", 0.5}, {"max_code_difference", 1}},
          {1, 1, 1, 1},
          {1, 1, 2, 0},
          {1, 2, 2, 0}},
      Row{{{"kind", "fraction_exact"}, {"min", 0.5}, {"max_code_difference", 1}},
          {1, 1, 1, 1},
          {1, 1, 1, 2},
          {1, 1, 1, 3}},
      Row{{{"kind", "fraction_close"}, {"min", 0.75}, {"abs", 0.1}},
          {1, 1, 1, 1},
          {1.05, 1, 1, 9},
          {1.2, 1, 1, 9}},
      Row{{{"kind", "relative_l2"}, {"max", 0.1}}, {3, 4}, {3.2, 4.3}, {3.4, 4.5}},
      Row{{{"kind", "lower_bound"}}, 2.0, 2.1, 1.9},
      Row{{{"kind", "reach"}, {"abs", 0.1}}, 2.0, 1.95, 1.85},
      Row{{{"kind", "sum_close"}, {"rel", 0.1}}, {5, 5}, {11, 0}, {12, 0}});
  CAPTURE(row.rule.dump());
  CHECK(complaints(row.rule, row.want, row.good).empty());
  CHECK(complaints(row.rule, row.want, row.bad).size() == 1);
}

TEST_CASE("NaN satisfies no tolerance but its own", "[golden]") {
  const Json rule =
      GENERATE(Json{{"kind", "exact"}}, Json{{"kind", "close"}, {"abs", 1e9}},
               Json{{"kind", "mean_abs"}, {"max", 1e9}},
               Json{{"kind", "fraction_close"}, {"min", 0.9}, {"abs", 1e9}},
               Json{{"kind", "relative_l2"}, {"max", 1e9}}, Json{{"kind", "lower_bound"}},
               Json{{"kind", "reach"}, {"abs", 1e9}}, Json{{"kind", "sum_close"}, {"rel", 1e9}});
  CAPTURE(rule.dump());
  CHECK(complaints(rule, {1, 2}, {1, "nan"}).size() == 1);
}

TEST_CASE("a boundary excuses only the elements next to it", "[golden]") {
  Case golden;
  golden.expect = {{"bits", {4, 4}}};
  golden.tolerance = {{"bits", {{"kind", "exact_off_boundary"}, {"margin", 0.01}}}};
  CHECK(differences(golden, {{"bits", {5, 4}}}).size() == 1);
  CHECK(differences(golden, {{"bits", {5, 4}}, {"bits_boundary_distance", {0.005, 1}}}).empty());
  CHECK(differences(golden, {{"bits", {5, 4}}, {"bits_boundary_distance", {1, 0.005}}}).size() ==
        1);
}

TEST_CASE("a statistical tolerance uses the case's own variance and number of draws", "[golden]") {
  Case golden;
  golden.params = {{"n", 100}, {"z", 5}};
  golden.expect = {{"mean", {1.0}}, {"variance", {0.04}}};
  golden.tolerance = {{"mean", {{"kind", "z"}, {"bound", "z*sqrt(variance/n)+1e-6"}}}};
  const auto answer = [](double mean) { return Json{{"mean", {mean}}, {"variance", {0.04}}}; };
  CHECK(differences(golden, answer(1.099)).empty());  // 5 · 0.2 / 10 = 0.1
  CHECK(differences(golden, answer(1.101)).size() == 1);
}

TEST_CASE("a field takes the rule that names it, else the star, else exactness", "[golden]") {
  Case golden;
  golden.expect = {{"a", 1.0}, {"b", 1.0}, {"c", 1.0}};
  golden.tolerance = {{"a, b", {{"kind", "close"}, {"abs", 0.5}}}};
  CHECK(differences(golden, {{"a", 1.4}, {"b", 1.4}, {"c", 1.0}}).empty());
  CHECK(differences(golden, {{"a", 1.4}, {"b", 1.4}, {"c", 1.1}}).size() == 1);
  golden.tolerance["*"] = {{"kind", "close"}, {"abs", 0.2}};
  CHECK(differences(golden, {{"a", 1.4}, {"b", 1.4}, {"c", 1.1}}).empty());
  golden.tolerance["c"] = {{"kind", "information only"}};
  CHECK(differences(golden, {{"a", 1.4}, {"b", 1.4}}).empty());
}

TEST_CASE("tolerances inside a field reach its records, and outer ones by name", "[golden]") {
  Case golden;
  golden.expect = {{"calls", {{{"bits", 4}, {"delta", 1.0}}, {{"bits", 8}, {"delta", 2.0}}}},
                   {"after", {{{"scale", 1.0}}}}};
  golden.tolerance = {
      {"calls", {{"bits", {{"kind", "exact"}}}, {"delta", {{"kind", "close"}, {"abs", 0.1}}}}},
      {"scale", {{"kind", "close"}, {"abs", 0.1}}}};
  Json answer = golden.expect;
  answer["calls"][1]["delta"] = 2.05;
  answer["after"][0]["scale"] = 1.05;
  CHECK(differences(golden, answer).empty());
  answer["calls"][0]["bits"] = 5;
  CHECK_THAT(differences(golden, answer).at(0), ContainsSubstring("calls[0].bits"));
}

TEST_CASE("a missing answer, another shape and an unknown tolerance are noticed", "[golden]") {
  CHECK_THAT(complaints({{"kind", "exact"}}, pack(std::vector<float>{1, 2}, {2, 1}),
                        pack(std::vector<float>{1, 2}, {1, 2}))
                 .at(0),
             ContainsSubstring("shape"));
  Case golden;
  golden.expect = {{"y", 1}};
  CHECK_THAT(differences(golden, Json::object()).at(0), ContainsSubstring("not answered"));
  CHECK_THROWS_AS(complaints({{"kind", "roughly"}}, 1, 1), DataError);
}

TEST_CASE("numbers of float32 arrays are float32", "[golden]") {
  const Array array = read_array(
      Json::parse(R"({"dtype": "float32", "shape": [3], "data": [0.1, "nan", "-inf"]})"), {});
  CHECK(array.data[0] == static_cast<double>(0.1f));
  CHECK(std::isnan(array.floats()[1]));
  CHECK(array.data[2] == -HUGE_VAL);
}

TEST_CASE("a malformed array is refused", "[golden]") {
  const char* text =
      GENERATE(R"({"dtype": "float32", "shape": [3], "data": [1, 2]})",
               R"({"dtype": "float32", "shape": [-1], "data": []})",
               R"({"dtype": "float32", "shape": [1], "data": ["one"]})",
               R"({"dtype": "float32", "shape": [99999999999, 99999999999], "data": []})",
               R"({"dtype": "float32", "shape": [1]})");
  CAPTURE(text);
  CHECK_THROWS_AS(read_array(Json::parse(text), {}), DataError);
}

TEST_CASE("a .npy file is read, and cut anywhere it is refused", "[golden]") {
  const TemporaryFolder folder;
  const float values[] = {1.5f, -2.0f};
  const std::string whole =
      npy("<f4", "(2, 1)", std::string(reinterpret_cast<const char*>(values), sizeof(values)));
  const Array array = read_npy(folder.write("whole.npy", whole));
  CHECK(array.shape == std::vector<std::int64_t>{2, 1});
  CHECK(array.data == std::vector<double>{1.5, -2.0});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto path = folder.write("cut.npy", whole.substr(0, length));
    CHECK_THROWS_AS(read_npy(path), DataError);
  }
  CHECK_THROWS_AS(read_npy(folder.write("type.npy", npy("<c8", "(1,)", "12345678"))), DataError);
}

TEST_CASE("a case that nothing handles fails unless the list names its issue", "[golden]") {
  const TemporaryFolder folder;
  folder.write("f.json", file_with("unknown", R"({"clipping": "laplace"})"));
  CHECK(run(folder, kNoList).failed == 1);
  const auto list = [](const char* params) {
    return std::string(R"({"runners": {}, "not_yet": [{"topics": ["t"], "params": )") + params +
           R"(, "brought_by": "issue 5", "what": "clipping"}]})";
  };
  CHECK(run(folder, list(R"({"clipping": "laplace"})")).skipped == 1);
  CHECK(run(folder, list(R"({"clipping": ["gauss", "laplace"]})")).skipped == 1);
  CHECK(run(folder, list(R"({"clipping": {"not": "no"}})")).skipped == 1);
  CHECK(run(folder, list(R"({"clipping": {"present": true}})")).skipped == 1);
  CHECK(run(folder, list(R"({"clipping": "gauss"})")).failed == 1);
}

TEST_CASE("a wrong answer, an entry for a handled case and one that matches nothing are failures",
          "[golden]") {
  const TemporaryFolder folder;
  folder.write("f.json", file_with("known", "{}"));
  CHECK(run(folder, kNoList).failed == 0);
  const char* listed =
      R"({"runners": {}, "not_yet": [{"topics": ["t"], "brought_by": "i", "what": "w"}]})";
  CHECK(run(folder, listed).failed == 1);
  const char* stale =
      R"({"runners": {}, "not_yet": [{"topics": ["u"], "brought_by": "i", "what": "w"}]})";
  CHECK(run(folder, stale, /*complete=*/true).failed == 1);
  CHECK(run(folder, stale, /*complete=*/false).failed == 0);
  folder.write("f.json", file_with("known", R"({"answer": 2})"));
  CHECK(run(folder, kNoList).failed == 1);
}

TEST_CASE("a golden file that cannot be read is a failure, not an end", "[golden]") {
  const TemporaryFolder folder;
  folder.write("a.json",
               GENERATE("", "{", "[]", R"({"topic": "t"})", R"({"topic": "t", "cases": []})",
                        R"({"topic": "t", "cases": [{"name": "n"}]})"));
  folder.write("b.json", file_with("known", "{}"));
  const Summary summary = run(folder, kNoList);
  CHECK(summary.failed == 1);
  CHECK(summary.cases == 1);
}

TEST_CASE("a folder without golden files is refused", "[golden]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(run(folder, kNoList), DataError);
}

TEST_CASE("a topic of another runner is left to it", "[golden]") {
  const TemporaryFolder folder;
  folder.write("f.json", file_with("unknown", "{}"));
  const Summary summary = run(folder, R"({"runners": {"other_test": ["t"]}, "not_yet": []})");
  CHECK(summary.files == 0);
  CHECK(summary.failed == 0);
}
