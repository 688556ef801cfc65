// SPDX-License-Identifier: MIT
/// \file
/// What keeps -ffast-math from rearranging sums whose rounding is wanted.
///
/// -ffast-math, -Ofast and their parts are borne: what rests on rounding is guarded by `fence`, so
/// that results keep their accuracy, but for an ulp or two in each operation. Under them sluice
/// promises nothing about NaN and infinities, those of gates and limits included, nor about the
/// sign of zero and numbers that are almost subnormal, nor that a vector and its tail, or two
/// compilers, agree to the bit.
#pragma once

// What `fence` does to a register. Clang has no macro for -fassociative-math alone, so there it is
// always done; its builtin vanishes without the flag. In g++ it would cost something then.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(_M_FP_FAST)
#define SLUICE_FAST_MATH
#endif
#if defined(__clang__) && (defined(__x86_64__) || defined(__i386__))
#if __has_builtin(__arithmetic_fence)
#define SLUICE_FENCE(x) x = __arithmetic_fence(x)
#endif
#endif
#if !defined(SLUICE_FENCE) && (defined(__clang__) || defined(SLUICE_FAST_MATH))
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#define SLUICE_FENCE(x) asm("" : "+v"(x))
#elif defined(__GNUC__) && (defined(__aarch64__) || defined(__ARM_NEON))
#define SLUICE_FENCE(x) asm("" : "+w"(x))
#elif defined(SLUICE_FAST_MATH)
#error "sluice: rounding cannot be kept from -ffast-math here; compile without that flag"
#endif
#endif
