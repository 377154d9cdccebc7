#include "export/torch_file.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <fstream>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "export/weights.h"

using namespace bitsweep;
using namespace bitsweep::exporting;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

fs::path file(const std::string& name) { return fs::path(BITSWEEP_TORCH_FILES) / name; }

std::vector<float> values(const SafetensorsFile& from, const std::string& name) {
  const TensorInfo* tensor = from.find(name);
  REQUIRE(tensor != nullptr);
  return to_float(from, *tensor);
}

// The network of make_torch_files.py.
graph::Graph network() {
  graph::Graph out("tiny");
  auto x = out.add_input("input", {2, 5, 5});
  graph::Convolution convolution;
  convolution.in_channels = 2;
  convolution.out_channels = 3;
  convolution.kernel = {3, 3};
  convolution.bias = true;
  x = out.add("0", convolution, {x});
  out.add("1", graph::BatchNorm{.features = 3}, {x});
  return out;
}

// A file with this content, gone with the test.
class Damaged {
 public:
  Damaged() : path_(fs::temp_directory_path() / fmt::format("bitsweep-torch-{}.pth", ::getpid())) {}
  ~Damaged() { fs::remove(path_); }
  const fs::path& with(std::span<const std::byte> bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path_;
  }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("state dictionaries of either format load, bare, nested and of parallel modules") {
  const char* name =
      GENERATE(as<const char*>(), "zip.pth", "legacy.pth", "checkpoint.pth", "checkpoint.th");
  CAPTURE(name);
  const graph::Parameters weights = load_weights(file(name), network());
  const auto values = weights.values("0.weight");
  REQUIRE(values.size() == 54);
  CHECK(values[5] == 1.25F);
  CHECK(values[53] == 13.25F);
  CHECK(weights.values("1.running_var")[2] == 0.5F);
}

TEST_CASE("each type of tensor, a transposed one and a part of a larger one keep their values") {
  const SafetensorsFile kinds = read_torch_file(file("kinds.pt"));
  CHECK(values(kinds, "float16") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(values(kinds, "bfloat16") == std::vector<float>{6, 7, 8, 9, 10, 11});
  CHECK(values(kinds, "float64") == std::vector<float>{12, 13, 14, 15, 16, 17});
  CHECK(kinds.find("int64")->dtype == DType::i64);
  CHECK(kinds.bytes(*kinds.find("int64"))[8] == std::byte{19});
  CHECK(kinds.find("transposed")->shape == std::vector<std::int64_t>{6, 4});
  const std::vector<float> transposed = values(kinds, "transposed");
  CHECK(std::ranges::equal(std::span(transposed).first(5), std::vector<float>{0, 6, 12, 18, 1}));
  CHECK(values(kinds, "view") == std::vector<float>{8, 9, 10, 14, 15, 16});
  CHECK(values(kinds, "parameter") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(kinds.find("scalar")->shape.empty());
  CHECK(values(kinds, "scalar") == std::vector<float>{2.5F});
  CHECK(values(kinds, "empty").empty());
}

TEST_CASE("whatever is no tensor in a dictionary is refused by its name and offset") {
  const auto [name, what] = GENERATE(table<const char*, const char*>({
      {"attack_zip.pth", "'posix.system' is not allowed"},
      {"attack_legacy.pth", "'posix.system' is not allowed"},
      {"attack_plain.pth", "offset 2: 'posix.system' is not allowed"},
      {"module.pth", "'torch.nn.modules.container.Sequential' is not allowed"},
      {"int8.pth", "'torch.CharStorage' is not allowed"},
      {"mixed.pth", "'epoch' is no tensor"},
  }));
  CAPTURE(name);
  CHECK_THROWS_AS(read_torch_file(file(name)), DataError);
  CHECK_THROWS_WITH(read_torch_file(file(name)),
                    ContainsSubstring(name) && ContainsSubstring(what));
  CHECK_FALSE(fs::exists("/tmp/bitsweep_was_here"));
}

TEST_CASE("opcodes beyond the list are refused with byte and offset") {
  const Damaged damaged;
  const std::string pickle("\x80\x02(i__main__\nx\n.", 16);  // INST
  CHECK_THROWS_WITH(read_torch_file(damaged.with(std::as_bytes(std::span(pickle)))),
                    ContainsSubstring("offset 3: opcode 0x69 is not allowed"));
}

TEST_CASE("a file that is cut short anywhere is refused with its name") {
  const Damaged damaged;
  for (const char* name : {"zip.pth", "legacy.pth", "kinds.pt"}) {
    const std::vector<std::byte> whole = read_binary_file(file(name));
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
      CAPTURE(name, size);
      CHECK_THROWS_WITH(read_torch_file(damaged.with(std::span(whole).first(size))),
                        ContainsSubstring("bitsweep-torch-"));
    }
  }
}

TEST_CASE("flipped bytes are refused, or change nothing but numbers") {
  const Damaged damaged;
  std::mt19937 random(1);
  int refused = 0;
  for (const char* name : {"zip.pth", "legacy.pth", "checkpoint.th", "kinds.pt"}) {
    const std::vector<std::byte> whole = read_binary_file(file(name));
    for (int round = 0; round < 400; ++round) {
      std::vector<std::byte> bytes = whole;
      for (int flips = 1 + round % 3; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1U << random() % 8);
      }
      try {
        const SafetensorsFile read = read_torch_file(damaged.with(bytes));
        for (const TensorInfo& tensor : read.tensors()) {
          CHECK(read.bytes(tensor).size() ==
                static_cast<std::size_t>(tensor.elements()) * dtype_bytes(tensor.dtype));
        }
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 400);
}

TEST_CASE("a zip notices every flipped byte of a tensor") {
  const Damaged damaged;
  std::vector<std::byte> bytes = read_binary_file(file("zip.pth"));
  const float wanted = 13.25F;  // the last weight of the convolution
  const auto pattern = std::as_bytes(std::span(&wanted, 1));
  const auto found = std::ranges::search(bytes, pattern);
  REQUIRE(!found.empty());
  found.front() ^= std::byte{1};
  CHECK_THROWS_WITH(read_torch_file(damaged.with(bytes)), ContainsSubstring("data/0"));
}

TEST_CASE("the name of a file says what it is read as") {
  CHECK_THROWS_WITH(read_weight_file("no_such_file.pth"), ContainsSubstring("no_such_file.pth"));
  CHECK(read_weight_file(file("zip.pth")).find("0.weight") != nullptr);
}
