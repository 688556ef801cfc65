// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/loss/.
#pragma once

#include <sluice/kernels/loss/cross_entropy.hpp>
#include <sluice/kernels/loss/pointwise.hpp>
