// Where a trial computes, and what its numbers depend on besides the code.
#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace bitsweep::exec {

// Once, first thing in a process: `threads` for every LibTorch operation. Values depend on it.
void set_threads(int threads);

// "cpu", "cuda" or "cuda:1". libtorch_cuda is linked by nobody: it is opened here, when a trial
// asks for it. Throws ConfigError for another name and EnvironmentError, with the reason, where the
// device cannot be had.
at::Device open_device(const std::string& name);

// What results are equal bit for bit within: {"libtorch", "device", "instruction_set",
// "convolution", "precision", "threads", "libc"}.
nlohmann::json fingerprint(at::Device device);

}  // namespace bitsweep::exec
