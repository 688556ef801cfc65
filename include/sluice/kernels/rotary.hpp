// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/rotary/.
#pragma once

#include <sluice/kernels/rotary/rotary.hpp>
