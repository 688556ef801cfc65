// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/linear/.
#pragma once

#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
