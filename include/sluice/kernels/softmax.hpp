// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/softmax/.
#pragma once

#include <sluice/kernels/softmax/softmax.hpp>
