#include "kernels/device.h"

#include <catch2/catch_test_macros.hpp>

#include "kernels/error.h"
#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"

using namespace bitsweep::kernels;

TEST_CASE("a device is available exactly where there is one", "[kernels][device]") {
  CHECK(cuda_available() == (cuda_device_count() > 0));
  CHECK((built_with_cuda() || !cuda_available()));
}

TEST_CASE("a device that does not exist has no name", "[kernels][device]") {
  CHECK_THROWS_AS(cuda_device_name(-1), CudaError);
  CHECK_THROWS_AS(cuda_device_name(cuda_device_count()), CudaError);
}

TEST_CASE("CUDA kernels refuse to run where there is no device", "[kernels][device]") {
  if (cuda_available()) SKIP("this machine has a CUDA device");
  float x = 0.0f;
  MinMax extremes;
  CHECK_THROWS_AS(fake_quantize_cuda(&x, &x, nullptr, 1, {1.0f, 0, 0, 1}, {}, Stream{}), CudaError);
  CHECK_THROWS_AS(min_max_cuda(&x, {1, 1, 1}, &extremes, Stream{}), CudaError);
}
