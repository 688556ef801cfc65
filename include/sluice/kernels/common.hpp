// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/common/.
#pragma once

#include <sluice/kernels/common/clear.hpp>
#include <sluice/kernels/common/decay.hpp>
#include <sluice/kernels/common/gate.hpp>
#include <sluice/kernels/common/head_rows.hpp>
#include <sluice/kernels/common/look_ahead.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/padded_states.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/kernels/common/tokens.hpp>
