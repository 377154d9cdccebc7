#include "rooms.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <regex>
#include <set>

#include "core/error.h"
#include "core/file.h"

namespace bitsweep::repository {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

const fs::path kRoot = BITSWEEP_SOURCE_ROOT;

const std::vector<Room>& rooms() {
  static const std::vector<Room> out = read_rooms(read_text_file(kRoot / "docs/architecture.md"));
  return out;
}

std::vector<fs::path> source_files() {
  static const std::set<std::string> kExtensions = {".h", ".cpp", ".cu", ".cuh", ".inc"};
  std::vector<fs::path> out;
  for (const char* folder : {"kernels", "src"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
      if (kExtensions.count(entry.path().extension().string()) > 0)
        out.push_back(fs::relative(entry.path(), kRoot));
  std::sort(out.begin(), out.end());
  return out;
}

std::string fault(const std::string& from, const std::string& line) {
  const auto includes = read_includes(from, line);
  REQUIRE(includes.size() == 1);
  return fault_of(includes.front(), rooms(), kRoot);
}

TEST_CASE("every include is an edge that docs/architecture.md allows") {
  int seen = 0;
  for (const fs::path& file : source_files()) {
    for (const Include& include : read_includes(file, read_text_file(kRoot / file))) {
      ++seen;
      const std::string complaint = fault_of(include, rooms(), kRoot);
      if (!complaint.empty()) FAIL_CHECK(complaint);
    }
  }
  CHECK(seen > 100);
}

TEST_CASE("every folder of src is a room of the table") {
  for (const auto& entry : fs::directory_iterator(kRoot / "src"))
    if (entry.is_directory()) {
      INFO(entry.path().filename().string());
      CHECK(room_of(rooms(), fs::relative(entry.path() / "file", kRoot)) != nullptr);
    }
}

TEST_CASE("src/meson.build enters the rooms in the order of the table") {
  const std::string text = read_text_file(kRoot / "src/meson.build");
  static const std::regex kSubdir("subdir\\('([a-z_]+)'\\)");
  int last = -1;
  for (std::sregex_iterator entry(text.begin(), text.end(), kSubdir), end; entry != end; ++entry) {
    const std::string name = (*entry)[1];
    INFO(name);
    const Room* room = room_of(rooms(), "src/" + name + "/file");
    REQUIRE(room != nullptr);
    CHECK(room->row >= last);
    last = room->row;
  }
  CHECK(last >= 0);
}

TEST_CASE("an edge upwards, to LibTorch, or out of kernels is a fault that names file and line") {
  CHECK_THAT(fault("src/core/x.h", "#include \"graph/graph.h\""),
             ContainsSubstring("src/core/x.h:1: includes graph/graph.h: src/core may not use"));
  CHECK_THAT(fault("src/graph/x.h", "# include <torch/torch.h>"),
             ContainsSubstring("src/graph may not include LibTorch"));
  CHECK_THAT(fault("src/cli/x.cpp", "#include <ATen/Version.h>  // only a number"),
             ContainsSubstring("LibTorch"));
  CHECK_THAT(fault("kernels/x.h", "#include <fmt/format.h>"),
             ContainsSubstring("nothing but the standard library"));
  CHECK_THAT(fault("kernels/x.h", "#include \"core/error.h\""), ContainsSubstring("may not use"));
  CHECK_THAT(fault("src/graph/x.h", "#include \"graph/no_such.h\""),
             ContainsSubstring("no such file"));
  CHECK_THAT(fault("src/elsewhere/x.h", "#include <vector>"), ContainsSubstring("in no room"));
}

TEST_CASE("an edge downwards, within a room, and from exec to LibTorch is no fault") {
  CHECK(fault("src/graph/x.h", "#include \"core/error.h\"").empty());
  CHECK(fault("src/graph/x.cpp", "#include \"graph.h\"").empty());
  CHECK(fault("src/quant/x.cpp", "#include \"kernels/error.h\"").empty());
  CHECK(fault("src/exec/x.cpp", "#include <ATen/core/Tensor.h>").empty());
  CHECK(fault("kernels/x.cu", "#include <cuda_runtime.h>").empty());
}

TEST_CASE("a text without the table is refused") {
  CHECK_THROWS_AS(read_rooms("# Architecture\n"), Error);
}

}  // namespace
}  // namespace bitsweep::repository
