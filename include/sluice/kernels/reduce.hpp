// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/reduce/.
#pragma once

#include <sluice/kernels/reduce/sum.hpp>
