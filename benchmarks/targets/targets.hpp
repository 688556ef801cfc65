// SPDX-License-Identifier: MIT
/// \file
/// The table behind --targets: every family races against what it should beat.
#pragma once

#include "contest.hpp"

#include <string_view>

namespace sluice::bench {

/// Prints the table of the families whose name contains `filter`.
/// \throws std::invalid_argument  if there is none.
void print_targets(std::string_view filter);

void target_exp(Score& score);
void target_product(Score& score);
void target_attention(Score& score);
void target_linear(Score& score);
void target_gla_forward(Score& score);
void target_gla_threads(Score& score);
void target_gla_backward(Score& score);
void target_ssm(Score& score);
void target_decode(Score& score);
void target_block(Score& score);

}  // namespace sluice::bench
