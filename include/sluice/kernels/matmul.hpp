// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/matmul/.
#pragma once

#include <sluice/kernels/matmul/matmul.hpp>
