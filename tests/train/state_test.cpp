#include "train/state.h"

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "export/safetensors.h"

using namespace bitsweep;
using namespace bitsweep::train;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-state-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

State example() {
  State out;
  out.step = 1234567890123;
  out.tensors["parameters"] = {1.0F, -0.0F, 1e-45F, std::nanf(""), INFINITY};
  out.tensors["momentum"] = {0.1F, 0.2F};
  out.tensors["alpha"] = {};
  out.progress = {{"loss_sum", 0.1 + 0.2},
                  {"tiny", std::numeric_limits<double>::denorm_min()},
                  {"third", 1.0 / 3.0},
                  {"images", std::numeric_limits<std::int64_t>::max()},
                  {"epochs", {{{"top1", 0.9012}, {"sha256", "ab"}}}}};
  return out;
}

const json kIdentity{{"key", "8f3c"}, {"fingerprint", "libtorch 2.4, avx512"}, {"threads", 1}};

std::string read(const fs::path& path) { return read_text_file(path); }

void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("a checkpoint comes back bit for bit") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "checkpoints" / "12.safetensors";
  const State state = example();
  save_checkpoint(path, state, kIdentity);
  const State back = load_checkpoint(path, kIdentity);
  CHECK(back.step == state.step);
  CHECK(state_sha256(back) == state_sha256(state));
  CHECK(back.tensors.size() == 3);
  CHECK(std::signbit(back.tensors.at("parameters")[1]));
  CHECK(back.progress == state.progress);
  // As numbers, to the last bit; JSON compares 1 and 1.0 as equal.
  CHECK(back.progress["images"].get<std::int64_t>() == std::numeric_limits<std::int64_t>::max());
  CHECK(back.progress["loss_sum"].get<double>() == 0.1 + 0.2);
  CHECK(back.progress["tiny"].get<double>() == std::numeric_limits<double>::denorm_min());
}

TEST_CASE("the same state gives the same file") {
  const TemporaryFolder folder;
  save_checkpoint(folder.path() / "a", example(), kIdentity);
  save_checkpoint(folder.path() / "b", example(), kIdentity);
  CHECK(read(folder.path() / "a") == read(folder.path() / "b"));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 2);  // nothing left over
}

TEST_CASE("the state's digest is over step, names and bytes, not over progress") {
  const std::string digest = state_sha256(example());
  State other = example();
  other.progress["images"] = 1;
  CHECK(state_sha256(other) == digest);
  other = example();
  ++other.step;
  CHECK(state_sha256(other) != digest);
  other = example();
  other.tensors["parameters"][1] = 0.0F;
  CHECK(state_sha256(other) != digest);
  other = example();
  other.tensors["beta"] = other.tensors["alpha"];
  other.tensors.erase("alpha");
  CHECK(state_sha256(other) != digest);
  other = example();  // a value moves from the end of one tensor to the next
  other.tensors["alpha"] = {0.1F};
  other.tensors["momentum"] = {0.2F};
  CHECK(state_sha256(other) != digest);
}

TEST_CASE("the state's digest is the documented one") {
  // Step 1 and the tensor "a" of one 1.0F, byte by byte.
  const std::string bytes(
      "\x01\0\0\0\0\0\0\0"
      "a\0"
      "\x01\0\0\0\0\0\0\0"
      "\0\0\x80\x3f",
      22);
  State state;
  state.step = 1;
  state.tensors["a"] = {1.0F};
  CHECK(state_sha256(state) == sha256_hex(bytes));
}

TEST_CASE("a checkpoint of another run is refused with the field that differs") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "c.safetensors";
  save_checkpoint(path, example(), kIdentity);
  json other = kIdentity;
  other["fingerprint"] = "libtorch 2.5, avx2";
  CHECK_THROWS_AS(load_checkpoint(path, other), DataError);
  CHECK_THROWS_WITH(load_checkpoint(path, other),
                    ContainsSubstring(path.string()) &&
                        ContainsSubstring("its fingerprint is \"libtorch 2.4, avx512\", expected "
                                          "\"libtorch 2.5, avx2\""));
  other = kIdentity;
  other.erase("threads");
  CHECK_THROWS_WITH(load_checkpoint(path, other),
                    ContainsSubstring("its threads is 1, expected null"));
  other = kIdentity;
  other["device"] = "cuda";
  CHECK_THROWS_WITH(load_checkpoint(path, other),
                    ContainsSubstring("its device is null, expected \"cuda\""));
}

TEST_CASE("a damaged checkpoint is refused, wherever a byte is changed") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "c.safetensors";
  save_checkpoint(path, example(), kIdentity);
  const std::string whole = read(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write(path, damaged);
    CAPTURE(at, whole.substr(at < 10 ? 0 : at - 10, 20));

    CHECK_THROWS_AS(load_checkpoint(path, kIdentity), DataError);
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, whole.size() / 2, whole.size() - 1}) {
    write(path, whole.substr(0, size));
    CHECK_THROWS_AS(load_checkpoint(path, kIdentity), DataError);
  }
}

TEST_CASE("a changed tensor is named as damage with both digests") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "c.safetensors";
  save_checkpoint(path, example(), kIdentity);
  std::string content = read(path);
  content.back() = static_cast<char>(content.back() ^ 1);
  write(path, content);
  CHECK_THROWS_WITH(load_checkpoint(path, kIdentity),
                    ContainsSubstring(path.string()) && ContainsSubstring("is damaged") &&
                        ContainsSubstring("expected " + state_sha256(example())));
}

TEST_CASE("a safetensors file that is no checkpoint is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "weights.safetensors";
  exporting::write_safetensors(path, {}, {{"format", "pt"}});
  CHECK_THROWS_WITH(load_checkpoint(path, kIdentity), ContainsSubstring("is no checkpoint"));
  CHECK_THROWS_AS(load_checkpoint(folder.path() / "none", kIdentity), DataError);
}

TEST_CASE("progress that JSON does not hold is a programmer's mistake") {
  const TemporaryFolder folder;
  State state = example();
  state.progress["loss_sum"] = std::nan("");
  CHECK_THROWS_AS(save_checkpoint(folder.path() / "c", state, kIdentity), InternalError);
  CHECK_FALSE(fs::exists(folder.path() / "c"));
}
