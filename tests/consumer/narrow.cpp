// SPDX-License-Identifier: MIT
#include "recurrence.hpp"

#include <cmath>

Output wide_recurrence();  // in a source that is compiled for a wider instruction set

int main() {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
#endif
  // Each frees what the other has allocated.
  Output mine = recurrence(), theirs = wide_recurrence();
  for (int n = 0; n < 100; ++n) {
    theirs = wide_recurrence();
    mine = Output(3, 1, 4, 1);
    mine = recurrence();
    theirs = mine;
  }
  theirs = wide_recurrence();
  for (sluice::Index i = 0; i < mine.size(); ++i)
    if (!(std::abs(mine.data()[i] - theirs.data()[i]) < 1e-4f)) return 1;
  return 0;
}
