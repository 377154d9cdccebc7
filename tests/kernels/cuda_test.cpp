// The CUDA kernels against the CPU, bit for bit.
#include <cuda_runtime.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"
#include "kernels/device.h"
#include "kernels/min_max.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

// An array in device memory, as large as `host` and with its content.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& host) : size_(host.size()) {
    REQUIRE(cudaMalloc(&data_, size_ * sizeof(T)) == cudaSuccess);
    REQUIRE(cudaMemcpy(data_, host.data(), size_ * sizeof(T), cudaMemcpyDefault) == cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* get() const { return static_cast<T*>(data_); }
  std::vector<T> host() const {
    std::vector<T> out(size_);
    REQUIRE(cudaMemcpy(out.data(), data_, size_ * sizeof(T), cudaMemcpyDefault) == cudaSuccess);
    return out;
  }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

const std::vector<ChannelLayout> kLayouts{{1, 1, 1}, {1, 1, 31},  {1, 1, 33},    {1, 1, 1 << 20},
                                          {2, 3, 5}, {4, 64, 49}, {1, 70000, 2}, {3, 5, 257}};

std::vector<AffineGrid> grids_for(const ChannelLayout& layout, int bits) {
  std::vector<AffineGrid> out;
  for (int c = 0; c < layout.channels; ++c)
    out.push_back(unsigned_grid(0.05f * static_cast<float>(c % 9 + 1), bits));
  return out;
}

}  // namespace

TEST_CASE("fake_quantize gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const int bits = GENERATE(1, 4, 8);
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  CAPTURE(layout.outer, layout.channels, layout.inner, bits, to_string(rounding));
  const auto x = inputs(layout.size(), 0.1f, static_cast<unsigned>(layout.size()));
  const auto grids = grids_for(layout, bits);
  const auto expected = fake_quantize(x, layout, grids, rounding);
  std::vector<std::int32_t> expected_codes(x.size());
  quantize_cpu(x.data(), expected_codes.data(), layout, grids.data(), rounding);

  const DeviceArray<float> y(x);  // in place
  const DeviceArray<std::int32_t> codes(expected_codes);
  const DeviceArray<std::uint32_t> mask(std::vector<std::uint32_t>(expected.mask.size(), 0xdead));
  const DeviceArray<AffineGrid> device_grids(grids);
  quantize_cuda(y.get(), codes.get(), layout, device_grids.get(), rounding, Stream{});
  fake_quantize_cuda(y.get(), y.get(), mask.get(), layout, device_grids.get(), rounding, Stream{});
  CHECK(same_bits(y.host(), expected.y));
  CHECK(same_bits(mask.host(), expected.mask));
  CHECK(codes.host() == expected_codes);
}

TEST_CASE("one grid by value equals one grid in device memory", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const auto x = inputs(1000, 0.1f, 4);
  const AffineGrid grid = unsigned_grid(0.1f, 4);
  const DeviceArray<float> y(x);
  fake_quantize_cuda(y.get(), y.get(), nullptr, 1000, grid, {}, Stream{});
  CHECK(same_bits(y.host(), fake_quantize(x, grid).y));
}

TEST_CASE("stochastic rounding gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const auto x = inputs(layout.size(), 0.1f, 8);
  const auto grids = grids_for(layout, 4);
  const RandomStream random{1ull << 40, 3, 17};
  std::vector<float> expected(x.size());
  fake_quantize_stochastic_cpu(x.data(), expected.data(), nullptr, layout, grids.data(), random);
  const DeviceArray<float> y(x);
  const DeviceArray<AffineGrid> device_grids(grids);
  fake_quantize_stochastic_cuda(y.get(), y.get(), nullptr, layout, device_grids.get(), random,
                                Stream{});
  CHECK(same_bits(y.host(), expected));
}

TEST_CASE("min_max gives the same bits on the GPU as on the CPU", "[kernels][gpu]") {
  if (!cuda_available()) SKIP("no CUDA device");
  const ChannelLayout layout = GENERATE(from_range(kLayouts));
  const auto x = inputs(layout.size(), 0.1f, 15);
  std::vector<MinMax> expected(static_cast<std::size_t>(layout.channels));
  min_max_cpu(x.data(), layout, expected.data());
  const DeviceArray<float> device_x(x);
  const DeviceArray<MinMax> extremes(expected);
  min_max_cuda(device_x.get(), layout, extremes.get(), Stream{});
  CHECK(same_bits(extremes.host(), expected));
}
