// Entropy, Huffman lengths, and their byte streams.
#include "quant/huffman.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>

#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;

namespace {

CodeCounts counted(const std::vector<std::int32_t>& codes) {
  CodeCounts out;
  out.add(codes);
  return out;
}

std::vector<std::int32_t> repeated(std::initializer_list<std::pair<std::int32_t, int>> runs) {
  std::vector<std::int32_t> out;
  for (const auto& [code, count] : runs)
    out.insert(out.end(), static_cast<std::size_t>(count), code);
  return out;
}

std::vector<std::int32_t> drawn(std::size_t n, double width, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> draw(-3, width);
  std::vector<std::int32_t> out(n);
  for (auto& code : out) code = static_cast<std::int32_t>(std::lround(draw(generator)));
  return out;
}

}  // namespace

TEST_CASE("codes are counted over several calls, whatever the order they come in") {
  CodeCounts counts;
  counts.add(std::vector<std::int32_t>{5, 5});
  counts.add(std::vector<std::int32_t>{-2, 7});
  counts.add(std::vector<std::int32_t>{});
  const auto entries = counts.entries();
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].code == -2);
  CHECK(entries[1].count == 2);
  CHECK(counts.total() == 4);
  CHECK(counts.entropy() == Approx(1.5));
}

TEST_CASE("entropy is 0 for one code and the width for even ones") {
  CHECK(counted({3, 3, 3}).entropy() == 0);
  CHECK(counted({}).entropy() == 0);
  CHECK(counted({0, 1, 2, 3, 4, 5, 6, 7}).entropy() == Approx(3));
}

TEST_CASE("Huffman lengths are those worked by hand") {
  // 8 4 2 1 1 of 16: 1, 2, 3, 4 and 4 bits, 1.875 on average, which is the entropy itself.
  const CodeCounts counts = counted(repeated({{0, 8}, {1, 4}, {2, 2}, {3, 1}, {4, 1}}));
  const std::vector<CodeLength> expected = {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 4}};
  CHECK(huffman_lengths(counts) == expected);
  CHECK(huffman_bits(counts) == 1.875);
  CHECK(counts.entropy() == Approx(1.875));
}

TEST_CASE("the mean length lies within one bit above the entropy") {
  for (const double width : {0.3, 1.0, 5.0, 40.0}) {
    const CodeCounts counts = counted(drawn(5000, width, 3));
    CAPTURE(width);
    CHECK(huffman_bits(counts) >= counts.entropy());
    CHECK(huffman_bits(counts) < counts.entropy() + 1);
  }
}

TEST_CASE("what is encoded is decoded, down to one value, one code and none") {
  const std::vector<std::vector<std::int32_t>> cases = {{},
                                                        {7},
                                                        std::vector<std::int32_t>(1000, -5),
                                                        drawn(1, 1, 1),
                                                        drawn(9999, 0.4, 2),
                                                        drawn(9999, 30, 5)};
  for (const auto& values : cases) {
    CAPTURE(values.size());
    CHECK(huffman_decode(huffman_encode(values)) == values);
  }
}

TEST_CASE("a stream is as long as its codes, its table and its frame") {
  const auto values = drawn(100000, 2, 9);
  const CodeCounts counts = counted(values);
  const double bytes = huffman_bits(counts) * 100000 / 8;
  const auto table = 2 * counts.entries().size();
  CHECK(huffman_encode(values).size() == Approx(bytes + static_cast<double>(table) + 16).margin(8));
}

TEST_CASE("a truncated, lengthened or damaged stream is refused, never decoded to something else") {
  const auto values = drawn(300, 3, 4);
  const std::vector<std::byte> good = huffman_encode(values);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_THROWS_AS(huffman_decode(std::span(good).first(size)), DataError);
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<std::byte> bad = good;
    bad[i] ^= std::byte{0x10};
    CHECK_THROWS_AS(huffman_decode(bad), DataError);
  }
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  CHECK_THROWS_AS(huffman_decode(longer), DataError);
}
