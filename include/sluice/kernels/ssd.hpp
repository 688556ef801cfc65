// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/ssd/.
#pragma once

#include <sluice/kernels/ssd/discretise.hpp>
#include <sluice/kernels/ssd/skip.hpp>
