// SPDX-License-Identifier: MIT
/// \file
/// What this machine can do at most, measured at the start of every run: the scale on which the
/// kernels are read.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace sluice::bench {

/// One level of the memory of one core.
struct Level {
  std::string name;
  std::size_t capacity;  ///< bytes; of DRAM, 0
  double read;           ///< bytes/s
  double update;         ///< bytes/s of load and store in place, both counted
};

/// The limits of one core.
struct Machine {
  std::string cpu, compiler, instruction_set;
  int threads = 1;
  double peak_f32 = 0, peak_f64 = 0;   ///< FLOP/s of fused multiply-adds
  double exp_rate = 0, xsimd_exp = 0;  ///< float exponentials/s of ours and of xsimd, data in L1
  std::vector<Level> levels;           ///< L1, ..., DRAM

  template <class Scalar>
  double peak() const {
    return sizeof(Scalar) == 4 ? peak_f32 : peak_f64;
  }
  /// The first level that holds a working set of so many bytes.
  const Level& level_of(double bytes) const;
};

/// Measured at the first call; takes about two seconds.
const Machine& machine();

std::ostream& operator<<(std::ostream& out, const Machine& m);

}  // namespace sluice::bench
