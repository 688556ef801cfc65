// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/dropout/.
#pragma once

#include <sluice/kernels/dropout/dropout.hpp>
