// BITSWEEP_FORMULA: marks a formula that host loops and CUDA kernels share.
#pragma once

// Forced inline, because formulas are compiled into one translation unit per instruction set: an
// out-of-line copy would be a weak symbol, and the linker could hand AVX-512 code to a processor
// without it. For the same reason formulas call C functions (rintf), never inline templates of the
// standard library.
#if defined(__CUDACC__)
#define BITSWEEP_FORMULA __host__ __device__ __forceinline__
#else
#define BITSWEEP_FORMULA [[gnu::always_inline]] inline
#endif
