// SPDX-License-Identifier: MIT
/// \file
/// How often memory has been asked for: a warm step must not.
#pragma once

namespace sluice::testing {

/// Allocations of this process so far, of every thread: of `malloc` and its kin, which also serve
/// Eigen and `operator new`, with the C library of GNU or under a sanitizer; elsewhere of
/// `operator new` alone.
long allocations() noexcept;

}  // namespace sluice::testing
