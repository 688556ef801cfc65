// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/permute/.
#pragma once

#include <sluice/kernels/permute/permute.hpp>
