// SPDX-License-Identifier: MIT
/// \file
/// The threads of the rows that use all of them.
#pragma once

#include "machine.hpp"

#include <sluice/core/executor.hpp>
#include <sluice/parallel/thread_team.hpp>

namespace sluice::bench {

/// Sequential for one thread, else one team that all rows share.
inline Executor threads(int n) {
  if (n == 1) return {};
  static ThreadTeam team(machine().threads);
  return team;
}

}  // namespace sluice::bench
