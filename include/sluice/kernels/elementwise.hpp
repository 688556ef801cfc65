// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/elementwise/.
#pragma once

#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/elementwise/maximum.hpp>
#include <sluice/kernels/elementwise/quotient.hpp>
#include <sluice/kernels/elementwise/rows.hpp>
#include <sluice/kernels/elementwise/weighted_sum.hpp>
