// SPDX-License-Identifier: MIT
/// \file
/// All of sluice but `io`, for examples and first contact. Programs that care for compile time
/// include what they use.
#pragma once

#include <sluice/core.hpp>
#include <sluice/kernels.hpp>
#include <sluice/layers.hpp>
#include <sluice/models.hpp>
#include <sluice/ops.hpp>
#include <sluice/parallel.hpp>
#include <sluice/simd.hpp>
#include <sluice/train.hpp>
