// Hardware for single layers of an integer network: a Verilog module that multiplies and
// accumulates one product a clock, rescales in fixed point and clips, and a testbench around it.
// Plain Verilog-2001; for simulation (Icarus Verilog) and as a starting point for synthesis.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "integer/network.h"
#include "integer/reference.h"

namespace bitsweep::integer {

// What a testbench reads and writes, by file name. `NAME.v` (the module), `NAME_test.v` (the
// testbench, module NAME_test), the images `NAME.input.hex`, `.weight.hex`, and for a layer that
// rescales `.multiplier.hex`, `.offset.hex`, and `.other.hex` where it adds a tensor; and what the
// reference executor gives, `NAME.expected.txt`. The testbench prints "COUNT clocks" at its end.
struct Hardware {
  std::string module;  // NAME: "layer_" and the step's name, "_" for all but letters and digits
  std::map<std::string, std::string> files;  // name → content
  std::string output_file;    // that the testbench writes: one decimal number a line, row-major
  std::string expected_file;  // the same numbers from integer/reference.h
};

// Of a convolution or linear layer: output codes. input, other: codes, [channels, height, width].
Hardware hardware_of(const Network& network, const Layer& layer,
                     std::span<const std::int32_t> input, std::span<const std::int32_t> other = {});

// Of the classifier: its accumulators, [out_features]; the real bias stays in software.
Hardware hardware_of(const Network& network, const Classifier& layer,
                     std::span<const std::int32_t> input);

// The step of this name. Throws ConfigError with the names of those that have hardware for any
// other name, and for "".
const Step& hardware_step(const Network& network, const std::string& name);

// Of hardware_step(), with the codes that it read in `trace`.
Hardware hardware_of(const Network& network, const std::string& step, const Trace& trace);

}  // namespace bitsweep::integer
