// Where a trial computes, and what its numbers depend on besides the code.
#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "config/trial.h"

namespace bitsweep::exec {

// Once, first thing in a process: `threads` for every LibTorch operation. Values depend on it.
void set_threads(int threads);

// "cpu", "cuda" or "cuda:1". libtorch_cuda is linked by nobody: it is opened here, when a trial
// asks for it. Throws ConfigError for another name and EnvironmentError, with the reason, where the
// device cannot be had.
at::Device open_device(const std::string& name);

// Whether the CPU computes in bfloat16 itself (AVX512-BF16; processors with AMX have it, too).
bool has_bf16();

// What results are equal bit for bit within: {"libtorch", "device", "instruction_set",
// "convolution", "precision", "threads", "libc"}.
nlohmann::json fingerprint(at::Device device,
                           config::Precision precision = config::Precision::fp32);

}  // namespace bitsweep::exec
