// SPDX-License-Identifier: MIT
/// \file
/// The threads of the rows that use all of them.
#pragma once

#include "machine.hpp"

#include <sluice/core/executor.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <string>

namespace sluice::bench {

/// Sequential for one thread, else one team that all rows share.
inline Executor threads(int n) {
  if (n == 1) return {};
  static ThreadTeam team(machine().threads);
  return team;
}

/// "_8_threads", behind the name of a form.
inline std::string with_threads(std::string name, int n) {
  return name.append(1, '_').append(std::to_string(n)).append("_threads");
}

}  // namespace sluice::bench
