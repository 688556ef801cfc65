// SPDX-License-Identifier: MIT
/// \file
/// The table behind --long: sequences so long that anything that grows with them shows.
#pragma once

namespace sluice::bench {

void print_long_runs();

}  // namespace sluice::bench
