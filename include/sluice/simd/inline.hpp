// SPDX-License-Identifier: MIT
/// \file
/// What is to be inlined, and what is not.
#pragma once

/// SLUICE_INLINE_LAMBDA goes behind the parameters of a lambda in an inner loop: compilers leave
/// generic lambdas outlined. SLUICE_NO_FORCED_INLINE is for builds where speed does not matter:
/// with sanitizers the large functions take minutes to compile.
/// SLUICE_OUTLINE is for what is rarely called from such a loop.
#if defined(SLUICE_NO_FORCED_INLINE)
#define SLUICE_INLINE inline
#define SLUICE_INLINE_LAMBDA
#elif defined(_MSC_VER)
#define SLUICE_INLINE __forceinline
#define SLUICE_INLINE_LAMBDA
#else
#define SLUICE_INLINE inline __attribute__((always_inline))
#define SLUICE_INLINE_LAMBDA __attribute__((always_inline))
#endif
/// SLUICE_NOINLINE is for a large function that several paths lead to: compiled once, not into
/// each.
#if defined(_MSC_VER)
#define SLUICE_NOINLINE __declspec(noinline)
#else
#define SLUICE_NOINLINE __attribute__((noinline))
#endif
#if defined(__GNUC__)
#define SLUICE_OUTLINE __attribute__((noinline, cold))
#else
#define SLUICE_OUTLINE
#endif
