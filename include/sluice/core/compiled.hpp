// SPDX-License-Identifier: MIT
/// \file
/// Large kernels compiled once in a program, instead of in every source that uses them.
///
/// Nothing need be done: by default every source compiles what it uses. A program of many sources
/// is built faster when all of them are compiled with `SLUICE_USE_COMPILED_KERNELS` defined, and
/// one source more is
///
///     #define SLUICE_COMPILE_KERNELS
///     #include <sluice/sluice.hpp>
///
/// under the same instruction set. The CMake target `sluice::compiled` is both.
#pragma once

/// Says after the definition of a kernel, in its namespace, that it is one of these: its template
/// parameters are an architecture and a scalar.
#if defined(SLUICE_COMPILE_KERNELS)
#define SLUICE_COMPILED_KERNEL(name) SLUICE_COMPILE_KERNEL_HERE(name)
#elif defined(SLUICE_USE_COMPILED_KERNELS)
#define SLUICE_COMPILED_KERNEL(name) SLUICE_COMPILE_KERNEL_ELSEWHERE(name)
#else
#define SLUICE_COMPILED_KERNEL(name) static_assert(true)
#endif

#define SLUICE_COMPILE_KERNEL_HERE(name)                                            \
  template decltype(name<simd::DefaultArch, float>) name<simd::DefaultArch, float>; \
  template decltype(name<simd::DefaultArch, double>) name<simd::DefaultArch, double>
#define SLUICE_COMPILE_KERNEL_ELSEWHERE(name)                                              \
  extern template decltype(name<simd::DefaultArch, float>) name<simd::DefaultArch, float>; \
  extern template decltype(name<simd::DefaultArch, double>) name<simd::DefaultArch, double>
